"""The monthly partitions that all assets share. Their keys are the months in the file names."""

from __future__ import annotations

from dagster import MonthlyPartitionsDefinition

from taxi_assets.settings import Settings


def monthly_partitions(settings: Settings) -> MonthlyPartitionsDefinition:
    """One partition a month, from TAXI_FIRST_MONTH to TAXI_LAST_MONTH, none after the present month.

    The present month is one of them although it is not over: a tick loads the month it lies in, in the schedules' zone.
    """
    return MonthlyPartitionsDefinition(
        start_date=str(settings.first_month),
        end_date=str(settings.last_month.next),
        timezone=settings.schedule_timezone,
        fmt="%Y-%m",
        end_offset=1,
    )
