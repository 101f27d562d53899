SELECT COUNT(*) - COUNT(DISTINCT unique_row_id) AS repeated FROM {month}
