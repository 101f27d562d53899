SET work_mem = {work_mem};
SET lock_timeout = {lock_timeout};
-- A session that waits for autovacuum sends it away after this time, a second by default. Not every role may set it.
SELECT set_config('deadlock_timeout', '50ms', false) WHERE has_parameter_privilege('deadlock_timeout', 'SET');
