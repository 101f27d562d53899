INSERT INTO taxi_assets.loads AS l (
    filename, taxi, month, url, sha256, etag, bytes, rows_read, rows_inserted, rows_matched, run_id
) VALUES (
    %(filename)s, %(taxi)s, %(month)s, %(url)s, %(sha256)s, %(etag)s, %(bytes)s, %(rows_read)s, %(rows_inserted)s,
    %(rows_matched)s, %(run_id)s
)
ON CONFLICT (filename) DO UPDATE SET
    url = excluded.url, sha256 = excluded.sha256, etag = excluded.etag, bytes = excluded.bytes,
    rows_read = excluded.rows_read, rows_inserted = excluded.rows_inserted, rows_matched = excluded.rows_matched,
    run_id = excluded.run_id, loaded_at = excluded.loaded_at
