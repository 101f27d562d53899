-- Where the pickups of a table lie that are not in its month: a row per calendar month that occurs, with how many of
-- its rows are outside the month, and how many are such that their id says nothing about their pickup.
SELECT
    min({pickup})::text,
    max({pickup})::text,
    count(*) FILTER (WHERE {pickup} IS NULL OR {pickup} < {month_start} OR {pickup} >= {month_end}),
    count(*) FILTER (WHERE {irregular})
FROM {rows}
WHERE {irregular} OR {pickup} < {month_start} OR {pickup} >= {month_end}
GROUP BY date_trunc('month', {pickup})
