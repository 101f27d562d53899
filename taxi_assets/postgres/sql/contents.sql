SELECT
    filename,
    count(*),
    count(*) - count(DISTINCT unique_row_id),
    sum(('x' || left(md5(concat_ws('|', {texts})), 8))::bit(32)::bigint)::bigint
FROM {table}
WHERE filename = ANY(%s)
GROUP BY filename
