SELECT
  DATE(COALESCE({pickup}, {dropoff})) AS day,
  COUNT(*) AS in_all,
  COUNTIF({pickup} IS NULL OR {pickup} < TIMESTAMP '{start}' OR {pickup} >= TIMESTAMP '{end}') AS outside,
  COUNTIF({pickup} IS NULL OR {dropoff} IS NULL) AS without_a_time,
  COUNTIF(VendorID IS NULL) AS without_vendor
FROM {month}
GROUP BY day
ORDER BY day
