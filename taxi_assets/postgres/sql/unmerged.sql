-- Whether staging holds rows on their way: without an id or file name yet, or with an id that trips does not hold.
SELECT EXISTS (SELECT FROM {staging} WHERE unique_row_id IS NULL OR filename IS NULL)
    OR EXISTS (
        SELECT FROM {staging} AS s
        WHERE NOT EXISTS (SELECT FROM {trips} AS t WHERE t.unique_row_id = s.unique_row_id AND ({candidates}))
    )
