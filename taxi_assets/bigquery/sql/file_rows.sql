SELECT {texts}
FROM {trips} AS T
WHERE T.filename = {filename}
  AND ({every_partition})
ORDER BY {order}
