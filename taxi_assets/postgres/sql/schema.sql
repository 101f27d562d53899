-- The project's own schema: work tables and load records.
CREATE SCHEMA IF NOT EXISTS taxi_assets;

COMMENT ON SCHEMA taxi_assets IS 'Work tables and load records of taxi_assets';

CREATE TABLE IF NOT EXISTS taxi_assets.loads (
    filename text PRIMARY KEY,
    taxi text NOT NULL,
    month text NOT NULL,
    url text NOT NULL,
    sha256 text NOT NULL,
    etag text,
    bytes bigint NOT NULL,
    rows_read bigint NOT NULL,
    rows_inserted bigint NOT NULL,
    rows_matched bigint NOT NULL,
    run_id text NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE taxi_assets.loads IS 'The last load of each file: what it held, what it added, and by which run';
