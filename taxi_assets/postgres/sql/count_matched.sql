SELECT count(*)
FROM {rows} AS s
WHERE EXISTS (SELECT FROM {trips} AS t WHERE t.unique_row_id = s.unique_row_id AND ({candidates}))
