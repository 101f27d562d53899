"""The software-defined assets. Thin: they say what a month is to Dagster and call the rooms that do the work."""
