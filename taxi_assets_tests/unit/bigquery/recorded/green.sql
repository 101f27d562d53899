-- external table
CREATE OR REPLACE EXTERNAL TABLE `my-project.zoomcamp.green_tripdata_2020_04_ext` (
  VendorID STRING OPTIONS (description = 'Technology provider: 1 Creative Mobile Technologies, 2 VeriFone. Empty for some of 2020.'),
  lpep_pickup_datetime TIMESTAMP OPTIONS (description = 'When the meter was engaged, New York time.'),
  lpep_dropoff_datetime TIMESTAMP OPTIONS (description = 'When the meter was disengaged, New York time.'),
  store_and_fwd_flag STRING OPTIONS (description = 'Y when the record waited in the vehicle for a connection, else N.'),
  RatecodeID STRING OPTIONS (description = 'Rate at the end of the trip: 1 standard, 2 JFK, 3 Newark, 4 Nassau or Westchester, 5 negotiated, 6 group; 99 unknown.'),
  PULocationID STRING OPTIONS (description = 'TLC taxi zone of the pickup; 264 and 265 are unknown.'),
  DOLocationID STRING OPTIONS (description = 'TLC taxi zone of the dropoff; 264 and 265 are unknown.'),
  passenger_count INTEGER OPTIONS (description = 'Passengers, as entered by the driver.'),
  trip_distance NUMERIC OPTIONS (description = 'Miles travelled, by the taximeter.'),
  fare_amount NUMERIC OPTIONS (description = 'Dollars for time and distance, by the meter; negative for corrections.'),
  extra NUMERIC OPTIONS (description = 'Dollars of rush-hour, overnight and other extras.'),
  mta_tax NUMERIC OPTIONS (description = 'Dollars of MTA tax.'),
  tip_amount NUMERIC OPTIONS (description = 'Dollars of tip paid by card; cash tips are not recorded.'),
  tolls_amount NUMERIC OPTIONS (description = 'Dollars of tolls.'),
  ehail_fee NUMERIC OPTIONS (description = 'Dollars of e-hail fee; always empty in the published files.'),
  improvement_surcharge NUMERIC OPTIONS (description = 'Dollars of improvement surcharge, 0.30 since 2015.'),
  total_amount NUMERIC OPTIONS (description = 'Dollars charged in all, without cash tips.'),
  payment_type INTEGER OPTIONS (description = '1 credit card, 2 cash, 3 no charge, 4 dispute, 5 unknown, 6 voided.'),
  trip_type STRING OPTIONS (description = '1 street hail, 2 dispatch; sometimes empty.'),
  congestion_surcharge NUMERIC OPTIONS (description = 'Dollars of congestion surcharge.')
)
OPTIONS (format = 'CSV', uris = ['gs://my-bucket/green_tripdata_2020-04.csv'], skip_leading_rows = 1, ignore_unknown_values = TRUE);

-- month from external
CREATE OR REPLACE TABLE `my-project.zoomcamp.green_tripdata_2020_04`
AS
SELECT
  MD5(CONCAT(COALESCE(VendorID, ''), COALESCE(CAST(lpep_pickup_datetime AS STRING), ''), COALESCE(CAST(lpep_dropoff_datetime AS STRING), ''), COALESCE(PULocationID, ''), COALESCE(DOLocationID, ''))) AS unique_row_id,
  'green_tripdata_2020-04.csv' AS filename,
  VendorID, lpep_pickup_datetime, lpep_dropoff_datetime, store_and_fwd_flag, RatecodeID, PULocationID, DOLocationID, passenger_count, trip_distance, fare_amount, extra, mta_tax, tip_amount, tolls_amount, ehail_fee, improvement_surcharge, total_amount, payment_type, trip_type, congestion_surcharge
FROM (
  SELECT
  NULLIF(VendorID, '') AS VendorID,
  lpep_pickup_datetime,
  lpep_dropoff_datetime,
  NULLIF(store_and_fwd_flag, '') AS store_and_fwd_flag,
  NULLIF(RatecodeID, '') AS RatecodeID,
  NULLIF(PULocationID, '') AS PULocationID,
  NULLIF(DOLocationID, '') AS DOLocationID,
  passenger_count,
  trip_distance,
  fare_amount,
  extra,
  mta_tax,
  tip_amount,
  tolls_amount,
  ehail_fee,
  improvement_surcharge,
  total_amount,
  payment_type,
  NULLIF(trip_type, '') AS trip_type,
  congestion_surcharge
  FROM `my-project.zoomcamp.green_tripdata_2020_04_ext`
);

-- month from staging
CREATE OR REPLACE TABLE `my-project.zoomcamp.green_tripdata_2020_04`
AS
SELECT
  MD5(CONCAT(COALESCE(VendorID, ''), COALESCE(CAST(lpep_pickup_datetime AS STRING), ''), COALESCE(CAST(lpep_dropoff_datetime AS STRING), ''), COALESCE(PULocationID, ''), COALESCE(DOLocationID, ''))) AS unique_row_id,
  'green_tripdata_2020-04.csv' AS filename,
  VendorID, lpep_pickup_datetime, lpep_dropoff_datetime, store_and_fwd_flag, RatecodeID, PULocationID, DOLocationID, passenger_count, trip_distance, fare_amount, extra, mta_tax, tip_amount, tolls_amount, ehail_fee, improvement_surcharge, total_amount, payment_type, trip_type, congestion_surcharge
FROM (
  SELECT
  REGEXP_REPLACE(NULLIF(CAST(VendorID AS STRING), ''), r'\.0$', '') AS VendorID,
  CAST(NULLIF(CAST(lpep_pickup_datetime AS STRING), '') AS TIMESTAMP) AS lpep_pickup_datetime,
  CAST(NULLIF(CAST(lpep_dropoff_datetime AS STRING), '') AS TIMESTAMP) AS lpep_dropoff_datetime,
  CASE LOWER(NULLIF(CAST(store_and_fwd_flag AS STRING), '')) WHEN 'true' THEN 'Y' WHEN 'false' THEN 'N' ELSE NULLIF(CAST(store_and_fwd_flag AS STRING), '') END AS store_and_fwd_flag,
  REGEXP_REPLACE(NULLIF(CAST(RatecodeID AS STRING), ''), r'\.0$', '') AS RatecodeID,
  REGEXP_REPLACE(NULLIF(CAST(PULocationID AS STRING), ''), r'\.0$', '') AS PULocationID,
  REGEXP_REPLACE(NULLIF(CAST(DOLocationID AS STRING), ''), r'\.0$', '') AS DOLocationID,
  CAST(CAST(NULLIF(CAST(passenger_count AS STRING), '') AS NUMERIC) AS INT64) AS passenger_count,
  CAST(NULLIF(CAST(trip_distance AS STRING), '') AS NUMERIC) AS trip_distance,
  CAST(NULLIF(CAST(fare_amount AS STRING), '') AS NUMERIC) AS fare_amount,
  CAST(NULLIF(CAST(extra AS STRING), '') AS NUMERIC) AS extra,
  CAST(NULLIF(CAST(mta_tax AS STRING), '') AS NUMERIC) AS mta_tax,
  CAST(NULLIF(CAST(tip_amount AS STRING), '') AS NUMERIC) AS tip_amount,
  CAST(NULLIF(CAST(tolls_amount AS STRING), '') AS NUMERIC) AS tolls_amount,
  CAST(NULLIF(CAST(ehail_fee AS STRING), '') AS NUMERIC) AS ehail_fee,
  CAST(NULLIF(CAST(improvement_surcharge AS STRING), '') AS NUMERIC) AS improvement_surcharge,
  CAST(NULLIF(CAST(total_amount AS STRING), '') AS NUMERIC) AS total_amount,
  CAST(CAST(NULLIF(CAST(payment_type AS STRING), '') AS NUMERIC) AS INT64) AS payment_type,
  REGEXP_REPLACE(NULLIF(CAST(trip_type AS STRING), ''), r'\.0$', '') AS trip_type,
  CAST(NULLIF(CAST(congestion_surcharge AS STRING), '') AS NUMERIC) AS congestion_surcharge
  FROM `my-project.zoomcamp.green_tripdata_2020_04_staging`
);

-- trips table
CREATE TABLE IF NOT EXISTS `my-project.zoomcamp.green_tripdata` (
  unique_row_id BYTES OPTIONS (description = 'MD5 over the columns that tell one trip from another; the merge matches on it.'),
  filename STRING OPTIONS (description = 'Name of the CSV file that brought the row first, e.g. green_tripdata_2020-04.csv.'),
  VendorID STRING OPTIONS (description = 'Technology provider: 1 Creative Mobile Technologies, 2 VeriFone. Empty for some of 2020.'),
  lpep_pickup_datetime TIMESTAMP OPTIONS (description = 'When the meter was engaged, New York time.'),
  lpep_dropoff_datetime TIMESTAMP OPTIONS (description = 'When the meter was disengaged, New York time.'),
  store_and_fwd_flag STRING OPTIONS (description = 'Y when the record waited in the vehicle for a connection, else N.'),
  RatecodeID STRING OPTIONS (description = 'Rate at the end of the trip: 1 standard, 2 JFK, 3 Newark, 4 Nassau or Westchester, 5 negotiated, 6 group; 99 unknown.'),
  PULocationID STRING OPTIONS (description = 'TLC taxi zone of the pickup; 264 and 265 are unknown.'),
  DOLocationID STRING OPTIONS (description = 'TLC taxi zone of the dropoff; 264 and 265 are unknown.'),
  passenger_count INTEGER OPTIONS (description = 'Passengers, as entered by the driver.'),
  trip_distance NUMERIC OPTIONS (description = 'Miles travelled, by the taximeter.'),
  fare_amount NUMERIC OPTIONS (description = 'Dollars for time and distance, by the meter; negative for corrections.'),
  extra NUMERIC OPTIONS (description = 'Dollars of rush-hour, overnight and other extras.'),
  mta_tax NUMERIC OPTIONS (description = 'Dollars of MTA tax.'),
  tip_amount NUMERIC OPTIONS (description = 'Dollars of tip paid by card; cash tips are not recorded.'),
  tolls_amount NUMERIC OPTIONS (description = 'Dollars of tolls.'),
  ehail_fee NUMERIC OPTIONS (description = 'Dollars of e-hail fee; always empty in the published files.'),
  improvement_surcharge NUMERIC OPTIONS (description = 'Dollars of improvement surcharge, 0.30 since 2015.'),
  total_amount NUMERIC OPTIONS (description = 'Dollars charged in all, without cash tips.'),
  payment_type INTEGER OPTIONS (description = '1 credit card, 2 cash, 3 no charge, 4 dispute, 5 unknown, 6 voided.'),
  trip_type STRING OPTIONS (description = '1 street hail, 2 dispatch; sometimes empty.'),
  congestion_surcharge NUMERIC OPTIONS (description = 'Dollars of congestion surcharge.')
)
PARTITION BY DATE(lpep_pickup_datetime);

-- merge
MERGE INTO `my-project.zoomcamp.green_tripdata` AS T
USING `my-project.zoomcamp.green_tripdata_2020_04` AS S
ON T.unique_row_id = S.unique_row_id
  AND ((T.lpep_pickup_datetime >= TIMESTAMP '2009-01-01' AND T.lpep_pickup_datetime < TIMESTAMP '2009-01-02')
    OR (T.lpep_pickup_datetime >= TIMESTAMP '2020-04-01' AND T.lpep_pickup_datetime < TIMESTAMP '2020-05-02')
    OR (T.lpep_pickup_datetime >= TIMESTAMP '2041-08-15' AND T.lpep_pickup_datetime < TIMESTAMP '2041-08-16')
    OR T.lpep_pickup_datetime IS NULL)
WHEN NOT MATCHED THEN
  INSERT (unique_row_id, filename, VendorID, lpep_pickup_datetime, lpep_dropoff_datetime, store_and_fwd_flag, RatecodeID, PULocationID, DOLocationID, passenger_count, trip_distance, fare_amount, extra, mta_tax, tip_amount, tolls_amount, ehail_fee, improvement_surcharge, total_amount, payment_type, trip_type, congestion_surcharge)
  VALUES (S.unique_row_id, S.filename, S.VendorID, S.lpep_pickup_datetime, S.lpep_dropoff_datetime, S.store_and_fwd_flag, S.RatecodeID, S.PULocationID, S.DOLocationID, S.passenger_count, S.trip_distance, S.fare_amount, S.extra, S.mta_tax, S.tip_amount, S.tolls_amount, S.ehail_fee, S.improvement_surcharge, S.total_amount, S.payment_type, S.trip_type, S.congestion_surcharge);

-- replace
MERGE INTO `my-project.zoomcamp.green_tripdata` AS T
USING (
  SELECT M.*
  FROM `my-project.zoomcamp.green_tripdata_2020_04` AS M
  WHERE NOT EXISTS (
    SELECT 1
    FROM `my-project.zoomcamp.green_tripdata` AS T
    WHERE T.unique_row_id = M.unique_row_id
      AND T.filename != 'green_tripdata_2020-04.csv'
  AND ((T.lpep_pickup_datetime >= TIMESTAMP '2009-01-01' AND T.lpep_pickup_datetime < TIMESTAMP '2009-01-02')
    OR (T.lpep_pickup_datetime >= TIMESTAMP '2020-04-01' AND T.lpep_pickup_datetime < TIMESTAMP '2020-05-02')
    OR (T.lpep_pickup_datetime >= TIMESTAMP '2041-08-15' AND T.lpep_pickup_datetime < TIMESTAMP '2041-08-16')
    OR T.lpep_pickup_datetime IS NULL)
  )
) AS S
ON FALSE
WHEN NOT MATCHED BY TARGET THEN
  INSERT (unique_row_id, filename, VendorID, lpep_pickup_datetime, lpep_dropoff_datetime, store_and_fwd_flag, RatecodeID, PULocationID, DOLocationID, passenger_count, trip_distance, fare_amount, extra, mta_tax, tip_amount, tolls_amount, ehail_fee, improvement_surcharge, total_amount, payment_type, trip_type, congestion_surcharge)
  VALUES (S.unique_row_id, S.filename, S.VendorID, S.lpep_pickup_datetime, S.lpep_dropoff_datetime, S.store_and_fwd_flag, S.RatecodeID, S.PULocationID, S.DOLocationID, S.passenger_count, S.trip_distance, S.fare_amount, S.extra, S.mta_tax, S.tip_amount, S.tolls_amount, S.ehail_fee, S.improvement_surcharge, S.total_amount, S.payment_type, S.trip_type, S.congestion_surcharge)
WHEN NOT MATCHED BY SOURCE AND T.filename = 'green_tripdata_2020-04.csv' AND (T.lpep_pickup_datetime >= TIMESTAMP '0001-01-01' OR T.lpep_pickup_datetime IS NULL) THEN
  DELETE;

-- loaded files
SELECT DISTINCT filename
FROM `my-project.zoomcamp.green_tripdata` AS T
WHERE T.lpep_pickup_datetime >= TIMESTAMP '0001-01-01' OR T.lpep_pickup_datetime IS NULL;

-- contents
SELECT
  filename,
  COUNT(*) AS in_all,
  COUNT(*) - COUNT(DISTINCT unique_row_id) AS repeated,
  SUM(CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(CONCAT(COALESCE(VendorID, r'\N'), '|', COALESCE(CAST(lpep_pickup_datetime AS STRING), r'\N'), '|', COALESCE(CAST(lpep_dropoff_datetime AS STRING), r'\N'), '|', COALESCE(PULocationID, r'\N'), '|', COALESCE(DOLocationID, r'\N'), '|', COALESCE(store_and_fwd_flag, r'\N'), '|', COALESCE(RatecodeID, r'\N'), '|', COALESCE(CAST(passenger_count AS STRING), r'\N'), '|', COALESCE(FORMAT('%.9f', trip_distance), r'\N'), '|', COALESCE(FORMAT('%.9f', fare_amount), r'\N'), '|', COALESCE(FORMAT('%.9f', extra), r'\N'), '|', COALESCE(FORMAT('%.9f', mta_tax), r'\N'), '|', COALESCE(FORMAT('%.9f', tip_amount), r'\N'), '|', COALESCE(FORMAT('%.9f', tolls_amount), r'\N'), '|', COALESCE(FORMAT('%.9f', ehail_fee), r'\N'), '|', COALESCE(FORMAT('%.9f', improvement_surcharge), r'\N'), '|', COALESCE(FORMAT('%.9f', total_amount), r'\N'), '|', COALESCE(CAST(payment_type AS STRING), r'\N'), '|', COALESCE(trip_type, r'\N'), '|', COALESCE(FORMAT('%.9f', congestion_surcharge), r'\N')))), 1, 8)) AS INT64)) AS checksum
FROM `my-project.zoomcamp.green_tripdata` AS T
WHERE T.filename IN ('green_tripdata_2020-04.csv')
  AND (T.lpep_pickup_datetime >= TIMESTAMP '0001-01-01' OR T.lpep_pickup_datetime IS NULL)
GROUP BY filename;

-- rows of a file
SELECT VendorID AS text_0, CAST(lpep_pickup_datetime AS STRING) AS text_1, CAST(lpep_dropoff_datetime AS STRING) AS text_2, PULocationID AS text_3, DOLocationID AS text_4, store_and_fwd_flag AS text_5, RatecodeID AS text_6, CAST(passenger_count AS STRING) AS text_7, FORMAT('%.9f', trip_distance) AS text_8, FORMAT('%.9f', fare_amount) AS text_9, FORMAT('%.9f', extra) AS text_10, FORMAT('%.9f', mta_tax) AS text_11, FORMAT('%.9f', tip_amount) AS text_12, FORMAT('%.9f', tolls_amount) AS text_13, FORMAT('%.9f', ehail_fee) AS text_14, FORMAT('%.9f', improvement_surcharge) AS text_15, FORMAT('%.9f', total_amount) AS text_16, CAST(payment_type AS STRING) AS text_17, trip_type AS text_18, FORMAT('%.9f', congestion_surcharge) AS text_19
FROM `my-project.zoomcamp.green_tripdata` AS T
WHERE T.filename = 'green_tripdata_2020-04.csv'
  AND (T.lpep_pickup_datetime >= TIMESTAMP '0001-01-01' OR T.lpep_pickup_datetime IS NULL)
ORDER BY text_0 NULLS LAST, text_1 NULLS LAST, text_2 NULLS LAST, text_3 NULLS LAST, text_4 NULLS LAST, text_5 NULLS LAST, text_6 NULLS LAST, text_7 NULLS LAST, text_8 NULLS LAST, text_9 NULLS LAST, text_10 NULLS LAST, text_11 NULLS LAST, text_12 NULLS LAST, text_13 NULLS LAST, text_14 NULLS LAST, text_15 NULLS LAST, text_16 NULLS LAST, text_17 NULLS LAST, text_18 NULLS LAST, text_19 NULLS LAST;

-- remove
DELETE FROM `my-project.zoomcamp.green_tripdata` AS T
WHERE T.filename = 'green_tripdata_2020-04.csv'
  AND (T.lpep_pickup_datetime >= TIMESTAMP '0001-01-01' OR T.lpep_pickup_datetime IS NULL);
