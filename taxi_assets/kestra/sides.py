"""Kestra's side of a comparison: a server that executes the flows, or a replay of their statements."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from taxi_assets.errors import KestraError
from taxi_assets.kestra import documents, flows, postgres_flows
from taxi_assets.kestra.client import KestraClient
from taxi_assets.kestra.compare import LABELS, MonthRun
from taxi_assets.kestra.postgres_flows import MANUAL_FLOW, SCHEDULED_FLOW
from taxi_assets.kestra.replay import Replay
from taxi_assets.kestra.server import Execution, LogLine
from taxi_assets.kestra.target import Target
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month

_TRIGGER_APPEARS = 30.0
"""Seconds that a scheduler may take to notice a flow's triggers."""


@dataclass(frozen=True, slots=True)
class ReplaySide:
    """Executes the flows' statements itself. `backfilling` takes flow 05 with each month's tick in place of flow 04."""

    settings: Settings
    warehouse: Warehouse
    file_of: Callable[[Dataset, Month], Path]
    backfilling: bool = False

    @property
    def how(self) -> str:
        flow = SCHEDULED_FLOW if self.backfilling else MANUAL_FLOW
        return (
            f"This is a replay of the statements of flow {flow} against PostgreSQL, not a Kestra server: "
            "its seconds lack what a server adds, and neither side's seconds hold a download."
        )

    def run_month(self, dataset: Dataset, month: Month) -> MonthRun:
        execution = self._prepare(dataset, month)
        start = time.perf_counter()
        try:
            for _ in execution.steps():
                pass
        except KestraError as error:
            return MonthRun(time.perf_counter() - start, execution.labels, str(error))
        return MonthRun(execution.seconds, execution.labels)

    def run_months(self, dataset: Dataset, months: Sequence[Month]) -> Mapping[Month, MonthRun]:
        return {month: self.run_month(dataset, month) for month in months}

    def _prepare(self, dataset: Dataset, month: Month) -> Replay:
        """Read the flow from the YAML that a Kestra server would be given."""
        file, url = self.file_of(dataset, month), self.warehouse.url
        builder = postgres_flows.scheduled if self.backfilling else postgres_flows.manual
        ((name, text),) = flows.render(self.settings, Target(), (builder,)).items()
        flow = documents.load(text, name)
        if self.backfilling:
            return Replay.prepare(flow, {"taxi": dataset.taxi}, url, file, _tick(dataset, month))
        return Replay.prepare(flow, _inputs(dataset, month), url, file)


@dataclass(frozen=True, slots=True)
class KestraServerSide:
    """Executes the flows on a server, deployed to `target.namespace` for as long as the context lasts.

    They are removed at the end: the schedules of flow 05 would go on loading the comparison's database every month.
    """

    client: KestraClient
    settings: Settings
    target: Target
    timeout: float
    """Seconds for an execution, and for each month of a backfill."""
    on_progress: Callable[[str], None] = lambda _said: None
    backfilling: bool = False
    _label: str = field(default_factory=lambda: f"compare-{uuid.uuid4().hex[:8]}", init=False)

    @property
    def how(self) -> str:
        flow = f"a backfill of flow {SCHEDULED_FLOW}" if self.backfilling else f"executions of flow {MANUAL_FLOW}"
        return f"Kestra's side is {flow} on the server at {self.client.url}, downloads included on both sides."

    def __enter__(self) -> Self:
        try:
            for text in flows.render(self.settings, self.target, flows.POSTGRES_BUILDERS).values():
                self.client.create_or_update(text)
        except KestraError as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A server that is gone cannot be tidied; what went wrong before is what a person must see.
        for flow in flows.build(self.settings, self.target, flows.POSTGRES_BUILDERS):
            with suppress(KestraError) if error else nullcontext():
                self.client.delete_flow(self.target.namespace, flow["id"])

    def run_month(self, dataset: Dataset, month: Month) -> MonthRun:
        """One execution of flow 04, followed to its end."""
        created = self.client.execute(
            self.target.namespace, MANUAL_FLOW, _inputs(dataset, month), {"compare": self._label}
        )
        return self._month_run(self.client.follow(created.id, self.timeout, self._tell_tasks(dataset, month)))

    def run_months(self, dataset: Dataset, months: Sequence[Month]) -> Mapping[Month, MonthRun]:
        """One backfill of flow 05, followed until every month has ended. Months must follow one another."""
        trigger = (self.target.namespace, SCHEDULED_FLOW, f"{dataset.taxi}_schedule")
        self._wait_until(lambda: self.client.trigger(*trigger) is not None, _TRIGGER_APPEARS, "its trigger to appear")
        window = months[0].start.replace(tzinfo=UTC), months[-1].next.start.replace(tzinfo=UTC)
        self.client.backfill(*trigger, *window, {"taxi": dataset.taxi}, {"backfill": self._label})
        try:
            over = partial(self._backfill_is_over, trigger, len(months))
            self._wait_until(over, self.timeout * len(months), f"{len(months)} months of the backfill")
        except KestraError:
            with suppress(KestraError):
                self.client.delete_backfill(*trigger)
            raise
        found = {_month_of(execution): execution for execution in self._executions()}
        missing = MonthRun(0.0, {}, "the backfill made no execution of this month")
        return {month: self._month_run(found[month]) if month in found else missing for month in months}

    def _executions(self) -> list[Execution]:
        return self.client.executions(self.target.namespace, {"backfill": self._label})

    def _backfill_is_over(self, trigger: tuple[str, str, str], months: int) -> bool:
        state = self.client.trigger(*trigger)
        executions = self._executions()
        ended = sum(execution.has_ended for execution in executions)
        self.on_progress(f"{ended} of {months} months ended")
        return ended >= months and (state is None or state.backfill is None)

    def _wait_until(self, arrived: Callable[[], bool], timeout: float, what: str) -> None:
        deadline = time.monotonic() + timeout
        while not self.client.patiently(arrived):
            if time.monotonic() > deadline:
                raise KestraError(
                    f"waited {timeout:g} s in vain for {what} at {self.client.url}: "
                    "look at its executions, or wait longer with --timeout"
                )
            time.sleep(self.client.poll_seconds)

    def _month_run(self, execution: Execution) -> MonthRun:
        labels = {name: execution.labels[name] for name in LABELS if name in execution.labels}
        if execution.state == "SUCCESS":
            return MonthRun(execution.seconds or 0.0, labels)
        tasks = " and ".join(execution.failed_tasks) or "no task"
        reason = _reason(self.client.error_logs(execution.id), execution.failed_tasks)
        said = f"{execution.state} at {tasks}: {reason} (execution {execution.id})"
        return MonthRun(execution.seconds or 0.0, labels, said)

    def _tell_tasks(self, dataset: Dataset, month: Month) -> Callable[[Execution], None]:
        def tell(execution: Execution) -> None:
            task = execution.tasks[-1].task_id if execution.tasks else "waiting"
            self.on_progress(f"{dataset.taxi} {month}: {execution.state} {task}")

        return tell


def _inputs(dataset: Dataset, month: Month) -> dict[str, str]:
    return {"taxi": dataset.taxi, "year": f"{month.year:04d}", "month": f"{month.month:02d}"}


def _month_of(execution: Execution) -> Month | None:
    tick = execution.trigger_date
    return None if tick is None else Month(tick.year, tick.month)


def _tick(dataset: Dataset, month: Month) -> datetime:
    """When the dataset's cron fires in a month: minute, hour and day are fixed numbers in it."""
    minute, hour, day = (int(part) for part in dataset.cron.split()[:3])
    return datetime(month.year, month.month, day, hour, minute, tzinfo=UTC)


def _reason(logs: Sequence[LogLine], failed_tasks: Sequence[str]) -> str:
    """What the failing tasks logged, without the lines that only say that a command or task failed."""
    lines = list(dict.fromkeys(" ".join(log.message.split()) for log in logs if log.task_id in failed_tasks))
    telling = [line for line in lines if line and not line.startswith(("io.kestra.", "Command failed with exit code"))]
    return " / ".join(telling or lines) or "nothing logged"
