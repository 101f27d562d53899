-- Counted while that is cheap; beyond a quarter gigabyte PostgreSQL's own estimate, as a negative number.
SELECT CASE
    WHEN pg_relation_size({trips}::regclass) < 268435456 THEN (SELECT count(*) FROM {table})
    ELSE -(
        SELECT (greatest(reltuples, 0) / greatest(relpages, 1) * pg_relation_size(oid) / 8192)::bigint
        FROM pg_class WHERE oid = {trips}::regclass
    )
END
