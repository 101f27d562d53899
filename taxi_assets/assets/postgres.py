"""The PostgreSQL assets of a taxi: raw CSV, staging, trips, in one `multi_asset` that works month by month.

Separate assets over a range of months would skip every later month of staging when one raw file fails, and a result
returned for a range counts for all of it. Here each month reports itself, and a failed one does not stop the rest.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    AssetSpec,
    multi_asset,
)
from dagster._utils.interrupts import raise_interrupts_as
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from taxi_assets.assets.checks import check_specs, evaluate, failed_file
from taxi_assets.assets.flow import Keep, flow_limit, within_limit
from taxi_assets.assets.metadata import Metadata, raw_metadata, staging_metadata, table_definition, trips_metadata
from taxi_assets.assets.months import MonthEvent, run_months
from taxi_assets.assets.partitions import monthly_partitions
from taxi_assets.assets.request import replaces
from taxi_assets.assets.specs import Described, asset_specs, backfill_policy
from taxi_assets.errors import FileError, UnavailableError
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month

if TYPE_CHECKING:
    from taxi_assets.postgres.ahead import Ahead
    from taxi_assets.postgres.copied import Load

CODE_VERSION = "1"
_ATTEMPTS = 3
GROUP = "postgres"
RELEASE = AssetKey("nyc_tlc_release")


def release_asset(settings: Settings) -> AssetSpec:
    """The published files, which others make."""
    return AssetSpec(
        RELEASE,
        description="The trip files that NYC TLC publishes, by taxi and month.",
        group_name="source",
        kinds={"csv", "http"},
        metadata={"url": settings.source_shown},
    )


def postgres_assets(dataset: Dataset, settings: Settings) -> AssetsDefinition:
    """A taxi's three assets."""
    partitions = monthly_partitions(settings)

    @multi_asset(
        name=f"{dataset.taxi}_postgres",
        specs=_specs(dataset),
        check_specs=check_specs(AssetKey(f"{dataset.taxi}_staging"), partitions),
        partitions_def=partitions,
        backfill_policy=backfill_policy(settings),
        can_subset=True,
    )
    def load_months(context: AssetExecutionContext) -> Iterator[MonthEvent]:
        def one_month(month: Month, held: "tuple[Keep, Ahead]") -> Iterator[MonthEvent]:
            return _MonthRun(context, dataset, settings, month, *held).run()

        @contextmanager
        def holding(months: tuple[Month, ...]) -> "Iterator[tuple[Keep, Ahead]]":
            from taxi_assets.postgres.ahead import for_run

            what = f"{dataset.taxi} {'..'.join(dict.fromkeys(map(str, (months[0], months[-1]))))}"
            with (
                within_limit(context, flow_limit(context.run), what, settings) as keep_slot,
                for_run(settings, dataset, months) as ahead,
            ):
                yield keep_slot, ahead

        yield from run_months(context, dataset, settings, f"{dataset.taxi}_postgres_taxi", one_month, holding)

    return load_months


def _specs(dataset: Dataset) -> list[AssetSpec]:
    taxi = dataset.taxi
    raw, staging, trips = (AssetKey(f"{taxi}_{name}") for name in ("raw_csv", "staging", "trips"))
    described = [
        Described(raw, [RELEASE], {"csv"}, f"A {taxi} month's file as published, verified, gzipped on the disk."),
        Described(
            staging,
            [raw],
            {"postgres", "table"},
            f"public.{dataset.staging_table}: the month loaded last.",
            table_definition(dataset, dataset.staging_table),
        ),
        Described(
            trips,
            [staging],
            {"postgres", "table"},
            f"public.{dataset.table}: all trips, each file's new ones merged in.",
            table_definition(dataset, dataset.table),
        ),
    ]
    return asset_specs(dataset, GROUP, CODE_VERSION, described)


class _MonthRun:
    """One month's work inside a run, and the events that tell of it."""

    def __init__(
        self,
        context: AssetExecutionContext,
        dataset: Dataset,
        settings: Settings,
        month: Month,
        keep_slot: Keep,
        ahead: "Ahead",
    ) -> None:
        self.context = context
        self.dataset = dataset
        self.settings = settings
        self.month = month
        self.keep_slot = keep_slot
        self.ahead = ahead
        self.seconds_dagster = 0.0

    def run(self) -> Iterator[MonthEvent]:
        """Load the month, or only fetch its file when nothing else is selected. Raises TaxiAssetsError."""
        # Imported here: the definitions are loaded by every Dagster process, the drivers only where they work.
        from taxi_assets.postgres.publish import publish
        from taxi_assets.trips.source import Source

        source = Source.from_settings(self.settings)
        start = time.perf_counter()
        raw = source.fetch(self.dataset, self.month)
        seconds = time.perf_counter() - start
        if raw.note:
            self.context.log.warning(raw.note)
        yield from self._tell([self._materialized("raw_csv", raw_metadata(raw, seconds))])
        if self.context.selected_asset_keys <= {AssetKey(f"{self.dataset.taxi}_raw_csv")}:
            return
        replace = replaces(self.context.run.tags)

        def load_once() -> "Load":
            self.keep_slot()
            # Dagster's own exception would leave the server at work, holding its locks: psycopg knows Python's alone.
            with raise_interrupts_as(KeyboardInterrupt), self.ahead.copied(self.month, raw) as copied:
                return publish(copied, self.settings, run_id=self.context.run.run_id, replace=replace)

        try:
            load = self._persist(load_once)
        except FileError as error:
            yield failed_file(self.context.instance, AssetKey(f"{self.dataset.taxi}_staging"), self.month, error)
            source.discard(self.dataset, self.month)  # so that a repaired file is fetched next time
            raise
        if load.staging_kept:
            self.context.log.warning(
                f"staging also holds {load.staging_kept} rows of another load that are not in trips; they are left for "
                f"it: if it is dead, TRUNCATE public.{self.dataset.staging_table} and run the month again"
            )
        staging = AssetKey(f"{self.dataset.taxi}_staging")
        yield from self._tell([self._materialized("staging", staging_metadata(load, self.dataset))])
        yield from self._tell(evaluate(self.context.instance, staging, self.dataset, self.month, load))
        yield self._materialized("trips", trips_metadata(load, self.seconds_dagster))
        self.context.log.info(
            "%s: %d rows read, %d inserted, %d already there",
            load.filename, load.rows_read, load.rows_inserted, load.rows_matched,
        )  # fmt: skip
        if not self.settings.keep_raw:
            source.discard(self.dataset, self.month)

    def _tell(self, events: Iterable[MonthEvent]) -> Iterator[MonthEvent]:
        """Hand events to Dagster, which stores each before it comes back for the next."""
        start = time.perf_counter()
        yield from events
        self.seconds_dagster += time.perf_counter() - start

    def _persist(self, load: "Callable[[], Load]") -> "Load":
        """Try again when the server went away, as one that restarts is back in seconds."""
        tries = Retrying(
            retry=retry_if_exception_type(UnavailableError),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential(max=10),
            before_sleep=lambda state: self.context.log.warning(f"{state.outcome and state.outcome.exception()}"),
            reraise=True,
        )
        return tries(load)

    def _materialized(self, asset: str, metadata: Metadata) -> AssetMaterialization:
        return AssetMaterialization(f"{self.dataset.taxi}_{asset}", metadata=dict(metadata), partition=str(self.month))
