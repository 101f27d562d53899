"""What a trip file is: its columns, its months, where it comes from. Knows no Dagster and no database."""
