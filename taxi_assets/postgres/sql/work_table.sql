-- A month's own table. UNLOGGED: it is filled from a file and thrown away if anything goes wrong. The id is computed
-- as the rows are copied in, on as many connections as copy. The CHECK lets ATTACH PARTITION skip reading it.
CREATE UNLOGGED TABLE {work} (
    unique_row_id text GENERATED ALWAYS AS (taxi_assets.unique_row_id({id_columns})) STORED,
    filename text DEFAULT {filename} CHECK (filename IS NOT NULL AND filename = {filename}),
    {columns}
);
