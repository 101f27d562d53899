"""Jobs, schedules, sensors, backfills: Kestra's semantics in Dagster's terms."""
