MERGE INTO {trips} AS T
USING (
  SELECT M.*
  FROM {month} AS M
  WHERE NOT EXISTS (
    SELECT 1
    FROM {trips} AS T
    WHERE T.unique_row_id = M.unique_row_id
      AND T.filename != {filename}{partitions}
  )
) AS S
ON FALSE
WHEN NOT MATCHED BY TARGET THEN
  INSERT ({columns})
  VALUES ({values})
WHEN NOT MATCHED BY SOURCE AND T.filename = {filename} AND ({every_partition}) THEN
  DELETE
