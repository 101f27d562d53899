-- Runs that hold a slot of a limited flow or wait for one. A row counts while its session holds the advisory lock
-- (classid of the flow queue, objid the ticket), so the row of a killed run counts no more.
CREATE TABLE IF NOT EXISTS taxi_assets.flow_queue (
    ticket integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    flow text NOT NULL,
    run_id text NOT NULL,
    what text NOT NULL,
    requested_at timestamptz NOT NULL,
    started_at timestamptz
);

COMMENT ON TABLE taxi_assets.flow_queue IS 'Runs that hold a slot of a limited flow, and those that wait for one'
