-- Partitioned by file, so that a month's finished work table becomes the staging table's content at once. Rows that
-- others write (a Kestra flow copies them without a file name) land in the default partition.
CREATE TABLE IF NOT EXISTS {staging} ({columns}) PARTITION BY LIST (filename);
