-- The nearest namespace's value comes first.
SELECT namespace, key, value FROM taxi_assets.key_values
WHERE namespace = ANY (%(namespaces)s) AND (%(key)s::text IS NULL OR key = %(key)s)
ORDER BY key, length(namespace) DESC
