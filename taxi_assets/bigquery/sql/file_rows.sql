SELECT {texts}
FROM {trips}
WHERE filename = {filename}
  AND ({every_partition})
ORDER BY {order}
