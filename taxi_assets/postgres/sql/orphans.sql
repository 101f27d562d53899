-- Work tables whose run is gone: the lock that a run holds while it works is free.
SELECT c.relname
FROM pg_class AS c
WHERE c.relnamespace = 'taxi_assets'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
    AND pg_has_role(c.relowner, 'USAGE')
    AND c.relname LIKE 'work\_%'
    AND pg_try_advisory_lock(hashtextextended('taxi_assets.' || c.relname, 0))
