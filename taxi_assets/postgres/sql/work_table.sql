-- A month's own table. UNLOGGED: it is filled from a file and thrown away if anything goes wrong. The id is computed
-- as the rows are copied in, on as many connections as copy. The CHECK lets ATTACH PARTITION skip reading it. Autovacuum
-- would hold it just when it is to be attached or dropped, and leaves it alone also as a part of staging.

-- The text of a timestamp or a double follows settings of the session, which the project's sessions pin, so the function
-- is stable, and as such PostgreSQL copies its expression into the COPY: half the time of a call for each row. But only
-- an immutable one may be written into a generated column.
CREATE FUNCTION {work} ({id_parameters}) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN md5({id_text});

CREATE UNLOGGED TABLE {work} (
    unique_row_id text GENERATED ALWAYS AS ({work}({id_columns})) STORED,
    filename text DEFAULT {filename} CHECK (filename IS NOT NULL AND filename = {filename}),
    {columns}
) WITH (autovacuum_enabled = false);

ALTER FUNCTION {work} STABLE;
