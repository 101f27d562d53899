SELECT filename, taxi, month, url, sha256, etag, bytes, rows_read, rows_inserted, rows_matched, run_id
FROM taxi_assets.loads
WHERE {which}
ORDER BY filename
