-- What the informative checks report of a month. As uuid an id takes half the memory.
SELECT
    (SELECT count(*) FROM {rows} WHERE vendorid IS NULL),
    (SELECT count(*) FROM {rows}) - (SELECT count(*) FROM (SELECT FROM {rows} GROUP BY unique_row_id::uuid) AS ids)
