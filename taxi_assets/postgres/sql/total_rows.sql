-- Counted while that is cheap or PostgreSQL has no idea; beyond a quarter gigabyte its own estimate, and told so.
SELECT
    CASE WHEN known.cheap THEN (SELECT count(*) FROM {table}) ELSE known.estimate END,
    NOT known.cheap
FROM (
    SELECT
        pg_relation_size(oid) < 268435456 OR reltuples < 0 OR relpages = 0 AS cheap,
        (reltuples / greatest(relpages, 1) * (pg_relation_size(oid) / 8192))::bigint AS estimate
    FROM pg_class WHERE oid = {trips}::regclass
) AS known
