-- The live tickets of a flow: first the runs that hold a slot, then those that wait, in the order they were requested.
SELECT q.ticket, q.run_id, q.what, q.started_at, extract(epoch FROM clock_timestamp() - q.started_at)::float AS seconds
FROM taxi_assets.flow_queue AS q
JOIN pg_locks AS l ON l.objid = q.ticket::bigint::oid
WHERE q.flow = {flow} AND l.locktype = 'advisory' AND l.classid = {class}::bigint::oid AND l.objsubid = 2
    AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY q.started_at IS NULL, q.requested_at, q.ticket
