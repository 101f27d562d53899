-- The flow's MERGE … WHEN NOT MATCHED THEN INSERT: rows repeated inside the file are all inserted.
INSERT INTO {table} ({columns})
SELECT {columns}
FROM {rows} AS s
WHERE {part}
    AND NOT EXISTS (SELECT FROM {table} AS t WHERE t.unique_row_id = s.unique_row_id AND ({candidates}))
