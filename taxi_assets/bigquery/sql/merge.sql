MERGE INTO {trips} AS T
USING {month} AS S
ON T.unique_row_id = S.unique_row_id{partitions}
WHEN NOT MATCHED THEN
  INSERT ({columns})
  VALUES ({values})
