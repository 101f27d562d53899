-- Settings by namespace, as Kestra keeps them.
CREATE TABLE IF NOT EXISTS taxi_assets.key_values (
    namespace text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (namespace, key)
);
