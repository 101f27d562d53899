SELECT DISTINCT filename
FROM {trips} AS T
WHERE {every_partition}
