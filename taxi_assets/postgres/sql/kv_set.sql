INSERT INTO taxi_assets.key_values AS kv (namespace, key, value) VALUES (%(namespace)s, %(key)s, %(value)s)
ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at
WHERE %(overwrite)s
