-- Backfills from a shell. One is alive while its session holds the advisory lock of its taxi.
CREATE TABLE IF NOT EXISTS taxi_assets.backfills (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taxi text NOT NULL,
    months text[] NOT NULL,
    labels jsonb NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    wanted text NOT NULL DEFAULT 'run' CHECK (wanted IN ('run', 'pause', 'cancel')),
    done integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'finished', 'canceled', 'interrupted')),
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);

COMMENT ON TABLE taxi_assets.backfills IS 'Backfills by taxi-assets: what they load, how far they are, what is wanted of them'
