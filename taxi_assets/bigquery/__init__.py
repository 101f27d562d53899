"""The BigQuery warehouse: bucket and dataset, a month's tables in either way, and the merge. Knows no Dagster.

Google's libraries come with the extra `gcp` and are imported where they are used.
"""
