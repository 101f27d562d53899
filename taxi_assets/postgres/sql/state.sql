-- What stands of a dataset's tables: a row for the trips and one for the staging table, empty where there is none.
SELECT
    t.role,
    c.relkind = 'p' AS partitioned,
    (SELECT r.rolname FROM pg_roles AS r WHERE r.oid = c.relowner AND NOT r.rolsuper) AS owner,
    pg_has_role(c.relowner, 'USAGE') AS owned,
    to_regclass({index}) IS NOT NULL AS indexed,
    to_regclass({others}) IS NOT NULL AS others_there,
    (
        SELECT array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
        FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS columns,
    to_regclass('taxi_assets.loads') IS NOT NULL AS schema_ready
FROM (VALUES ('trips', to_regclass({trips})), ('staging', to_regclass({staging}))) AS t (role, oid)
LEFT JOIN pg_class AS c ON c.oid = t.oid
