-- What the informative checks report of a month.
SELECT
    (SELECT count(*) FROM {rows} WHERE vendorid IS NULL),
    (SELECT count(*) FROM (SELECT FROM {rows} GROUP BY unique_row_id) AS ids)
