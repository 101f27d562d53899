SELECT COUNT(*) AS in_all
FROM {trips} AS T
WHERE T.filename = {filename}
  AND ({every_partition})
