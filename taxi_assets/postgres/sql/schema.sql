-- The project's own schema: work tables, load records, and the id of a row.
CREATE SCHEMA IF NOT EXISTS taxi_assets;

COMMENT ON SCHEMA taxi_assets IS 'Work tables and load records of taxi_assets';

-- Declared immutable so that a generated column may use it. The text of a timestamp or a double follows settings of
-- the session; the project's sessions pin them. PL/pgSQL because it plans the expression once per session.
CREATE OR REPLACE FUNCTION taxi_assets.unique_row_id(
    vendor text, pickup timestamp, dropoff timestamp, pickup_zone text, dropoff_zone text,
    fare double precision, distance double precision
) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN md5(
        coalesce(vendor, '') || coalesce(pickup::text, '') || coalesce(dropoff::text, '')
        || coalesce(pickup_zone, '') || coalesce(dropoff_zone, '') || coalesce(fare::text, '')
        || coalesce(distance::text, '')
    );
END $$;

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
