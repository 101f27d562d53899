"""The monthly partitions that all assets share. Their keys are the months in the file names."""

from __future__ import annotations

from dagster import MonthlyPartitionsDefinition

from taxi_assets.settings import Settings


def monthly_partitions(settings: Settings) -> MonthlyPartitionsDefinition:
    """One partition a month, from TAXI_FIRST_MONTH to TAXI_LAST_MONTH."""
    return MonthlyPartitionsDefinition(
        start_date=str(settings.first_month), end_date=str(settings.last_month.next), fmt="%Y-%m"
    )
