"""Our side of a comparison: the Dagster jobs, run in this process against a database of the comparison's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from taxi_assets.kestra.compare import LABELS, MonthRun, RunMonth
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month


@contextmanager
def dagster_side(dataset: Dataset, settings: Settings) -> Iterator[RunMonth]:
    """Runs months of a taxi by its job. The runs are kept nowhere: they say nothing about the person's own tables."""
    from dagster import DagsterInstance

    from taxi_assets.automation.backfill import backfill
    from taxi_assets.definitions import build_defs

    job = build_defs(settings).resolve_job_def(f"{dataset.taxi}_postgres_taxi")
    with DagsterInstance.ephemeral() as instance:

        def run_month(dataset: Dataset, month: Month) -> MonthRun:
            (result,) = backfill(job, dataset, [month], instance)
            run = instance.get_run_by_id(result.run_id)
            tags = run.tags if run else {}
            return MonthRun(result.seconds, {name: tags[name] for name in LABELS if name in tags}, result.error)

        yield run_month
