DELETE FROM {trips} AS T
WHERE T.filename = {filename}
  AND ({every_partition})
