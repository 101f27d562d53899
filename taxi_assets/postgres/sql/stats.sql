-- What the checks want to know of a month: its rows, those without VendorID, and its different ids.
SELECT counted.*, ids.*
FROM (SELECT count(*), count(*) FILTER (WHERE vendorid IS NULL) FROM {rows}) AS counted,
    (SELECT count(*) FROM (SELECT FROM {rows} GROUP BY unique_row_id) AS different) AS ids
