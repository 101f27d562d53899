"""The next month of a backfill, fetched and copied into its work table while this one is merged and recorded.

What goes wrong ahead is not told here: the month's own run does the same again, and fails with it in its own name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace
from itertools import pairwise
from threading import Event
from types import TracebackType
from typing import Self

from taxi_assets.errors import TaxiAssetsError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.copied import CopiedMonth
from taxi_assets.postgres.load import Loader
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.source import RawFile, Source


class _StoppedError(TaxiAssetsError):
    """Nobody will ask for the month any more."""


@dataclass(frozen=True, slots=True)
class _Started:
    month: Month
    copying: Future[CopiedMonth]
    open: ExitStack
    """Holds what the copy keeps open."""


class Ahead(AbstractContextManager["Ahead"]):
    """Copies of the months of a backfill, at most one of them made ahead."""

    def __init__(self, settings: Settings, dataset: Dataset, months: Sequence[Month]) -> None:
        """`months` in the order in which they are going to be asked for. Nothing is opened yet."""
        self._settings = settings
        self._dataset = dataset
        self._after = dict(pairwise(months))
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._stopped = Event()
        self._started: _Started | None = None

    @contextmanager
    def copied(self, month: Month, raw: RawFile) -> Iterator[CopiedMonth]:
        """The month in its work table: copied ahead, if that was of the same file, else copied now.

        The next month's copy is begun. Raises what `Loader.copied` raises.
        """
        with ExitStack() as stack:
            copied = self._take(month, raw, stack)
            if copied is None:
                loader = Loader(Warehouse.from_settings(self._settings), self._settings)
                copied = stack.enter_context(loader.copied(self._dataset, month, raw))
            if (following := self._after.get(month)) is not None:
                self._begin(following)
            yield copied

    def _begin(self, month: Month) -> None:
        if self._started is None:
            opened = ExitStack()
            self._started = _Started(month, self._pool.submit(self._copy, month, opened), opened)

    def _copy(self, month: Month, opened: ExitStack) -> CopiedMonth:
        source = Source.from_settings(self._settings, self._stopped)
        raw = source.fetch(self._dataset, month, lambda *_: self._go_on())
        loader = Loader(Warehouse.from_settings(self._settings), self._settings)
        return opened.enter_context(loader.copied(self._dataset, month, raw, lambda _rows: self._go_on()))

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise _StoppedError

    def _take(self, month: Month, raw: RawFile, stack: ExitStack) -> CopiedMonth | None:
        started = self._started
        if started is None or started.month == self._after.get(month):  # this month is tried again
            return None
        wait([started.copying])
        self._started = None
        with ExitStack() as unwanted:
            unwanted.enter_context(started.open)
            # Whatever it was, the month's own try will meet it again, or it is over.
            if started.copying.exception() is not None or started.month != month:
                return None
            copied = started.copying.result()
            if copied.raw.sha256 != raw.sha256:
                return None
            stack.push(unwanted.pop_all())
            copied.load.copied_ahead = True
            return replace(copied, raw=raw)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._pool.shutdown()
        if self._started is not None:
            self._started.open.close()


_RUNS: ContextVar[Ahead | None] = ContextVar("ahead of the runs to come", default=None)


def for_run(settings: Settings, dataset: Dataset, months: Sequence[Month]) -> AbstractContextManager[Ahead]:
    """The copies of a run's months: those of the backfill in this process that the run is a part of, or its own."""
    runs = _RUNS.get()
    return nullcontext(runs) if runs else Ahead(settings, dataset, months)


@contextmanager
def for_runs(settings: Settings, dataset: Dataset, months: Sequence[Month]) -> Iterator[None]:
    """Let the runs of these months, one after the other in this process, find what the run before copied for them."""
    with Ahead(settings, dataset, months) as ahead:
        token = _RUNS.set(ahead)
        try:
            yield
        finally:
            _RUNS.reset(token)
