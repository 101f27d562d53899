CREATE OR REPLACE TABLE {table}{options}
AS
SELECT
  {id} AS unique_row_id,
  {filename} AS filename,
  {columns}
FROM (
  SELECT
  {values}
  FROM {source}
)
