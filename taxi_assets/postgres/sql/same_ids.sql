-- Whether the trips of a file have just the ids of these rows: as many, and equal sums of 64-bit hashes by two seeds.
SELECT wanted = held
FROM (
    SELECT count(*), sum(hashtextextended(unique_row_id, 0)), sum(hashtextextended(unique_row_id, 1)) FROM {rows}
) AS wanted, (
    SELECT count(*), sum(hashtextextended(unique_row_id, 0)), sum(hashtextextended(unique_row_id, 1))
    FROM {trips} AS t
    WHERE filename = {filename} AND ({candidates})
) AS held
