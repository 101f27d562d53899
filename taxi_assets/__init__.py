"""NYC TLC taxi trips as monthly Dagster assets, table for table as the equivalent Kestra flows leave them."""

__version__ = "0.1.0"
