-- Fresh statistics, so that queries of the trips are planned for the rows that are there now.
ANALYZE {table}
