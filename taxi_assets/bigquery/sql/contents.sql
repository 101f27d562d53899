SELECT
  filename,
  COUNT(*) AS in_all,
  COUNT(*) - COUNT(DISTINCT unique_row_id) AS repeated,
  SUM(CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(CONCAT({texts}))), 1, 8)) AS INT64)) AS checksum
FROM {trips} AS T
WHERE T.filename IN ({filenames})
  AND ({every_partition})
GROUP BY filename
