"""Running a statement as a BigQuery job, and what it cost."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.refusals import told_plainly
from taxi_assets.errors import GoogleError

if TYPE_CHECKING:
    from google.cloud.bigquery import CopyJob, ExtractJob, LoadJob, QueryJob, UnknownJob

    AnyJob = CopyJob | ExtractJob | LoadJob | QueryJob | UnknownJob

Labels = Mapping[str, str]
_ATTEMPTS = 6
_CONFLICTS = ("could not serialize access", "concurrent update", "too many dml statements")
"""What BigQuery says to a statement that lost against another one on the same table; sent again, it succeeds."""


@dataclass(frozen=True, slots=True)
class JobFigures:
    """What a finished job did. None where the server does not say, as a stand-in does not."""

    job_id: str
    location: str
    project: str
    seconds: float
    bytes_processed: int | None
    slot_seconds: float | None
    rows_written: int | None
    """Inserted and deleted by a statement, or loaded."""

    @property
    def console(self) -> str:
        """The job's page in Google's console."""
        return (
            f"https://console.cloud.google.com/bigquery?project={self.project}"
            f"&j=bq:{self.location}:{self.job_id}&page=queryresults"
        )


def new_job_id(what: str) -> str:
    """A name to find the job by in the console's history."""
    return f"taxi_assets_{re.sub(r'[^A-Za-z0-9_-]', '_', what)}_{uuid4().hex[:12]}"


def label(text: str) -> str:
    """The text as a label of Google's may be written."""
    return re.sub(r"[^a-z0-9_-]", "_", text.lower())[:63]


def run_statement(
    clients: Clients, sql: str, what: str, labels: Labels, job_ids: Iterator[str] | None = None
) -> JobFigures:
    """Run a statement to its end, each attempt under the next of the given ids. Raises GoogleError.

    A process that is stopped meanwhile cancels it.
    """
    start = time.perf_counter()
    job = _finished(clients, sql, what, labels, job_ids)
    return _figures(clients, job, job.num_dml_affected_rows, time.perf_counter() - start)


def query_rows(clients: Clients, sql: str, what: str, labels: Labels) -> Iterator[Any]:
    """The rows of a result, fetched as they are asked for. Raises GoogleError."""
    job = _finished(clients, sql, what, labels, None)
    with told_plainly(what):
        yield from job.result(**clients.patience, job_retry=None)


def planned_bytes(clients: Clients, sql: str, what: str) -> int | None:
    """What BigQuery expects a statement to read, without running it; None where the server cannot say."""
    from google.cloud.bigquery import QueryJobConfig

    with told_plainly(what):
        job = clients.bigquery.query(
            sql, job_config=QueryJobConfig(dry_run=True, use_query_cache=False), **clients.patience, job_retry=None
        )
        return job.total_bytes_processed or None


def load_figures(clients: Clients, job: LoadJob, seconds: float) -> JobFigures:
    """Of a load job that is done."""
    return _figures(clients, job, job.output_rows, seconds)


def find_job(clients: Clients, job_id: str) -> AnyJob | None:
    """The job of this id; None when there is none (yet). Raises GoogleError."""
    from google.api_core.exceptions import NotFound

    with told_plainly(f"looking for job {job_id}"), suppress(NotFound):
        return clients.bigquery.get_job(job_id, **clients.patience)
    return None


def wait_for(clients: Clients, job: QueryJob | LoadJob) -> None:
    """Until the job is done, however long it takes; raises what made it fail.

    Its own `result(timeout=…)` takes the limit of a request for that of the job.
    """
    from google.api_core.retry import exponential_sleep_generator

    for pause in exponential_sleep_generator(initial=0.1, maximum=2):
        if job.done(**clients.patience):
            break
        time.sleep(pause)
    if (error := job.exception()) is not None:  # type: ignore[no-untyped-call]
        raise error


def _finished(clients: Clients, sql: str, what: str, labels: Labels, job_ids: Iterator[str] | None) -> QueryJob:
    """The job of a statement, done; sent again where it lost against another statement on the same table."""
    from google.api_core.exceptions import BadRequest

    ids = job_ids or iter(partial(new_job_id, what), None)
    with told_plainly(what):
        for attempt in range(_ATTEMPTS):
            try:
                return _run_once(clients, sql, labels, next(ids))
            except BadRequest as error:
                if attempt == _ATTEMPTS - 1 or not any(said in str(error).lower() for said in _CONFLICTS):
                    raise
                time.sleep(min(2**attempt, 15))
    raise AssertionError("the last attempt returns or raises")


def _run_once(clients: Clients, sql: str, labels: Labels, job_id: str) -> QueryJob:
    try:
        job = _begun(clients, sql, labels, job_id)
        wait_for(clients, job)
    except Exception:
        raise
    except BaseException:  # the process is being stopped, and BigQuery would go on
        with suppress(GoogleError), told_plainly(f"canceling {job_id}"):  # which must not keep it from stopping
            clients.bigquery.cancel_job(job_id, **clients.within(5).patience)
        raise
    return job


def _begun(clients: Clients, sql: str, labels: Labels, job_id: str) -> QueryJob:
    """The statement's job under way. Where the answer to the first request was lost, the second finds it there."""
    from google.api_core.exceptions import Conflict, NotFound
    from google.api_core.retry import if_exception_type
    from google.cloud.bigquery import QueryJob, QueryJobConfig

    config = QueryJobConfig(labels=dict(labels), use_legacy_sql=False)
    try:
        return clients.bigquery.query(sql, config, job_id=job_id, job_retry=None, **clients.patience)
    except Conflict:
        appearing = clients.patience["retry"].with_predicate(if_exception_type(NotFound))
        job = appearing(clients.bigquery.get_job)(job_id, **clients.patience)
        if isinstance(job, QueryJob) and job.query == sql:
            return job
        raise


def _figures(clients: Clients, job: QueryJob | LoadJob, rows: int | None, seconds: float) -> JobFigures:
    slot_millis = getattr(job, "slot_millis", None)  # a load job has none
    return JobFigures(
        job.job_id,
        job.location or clients.target.location,
        clients.target.project,
        seconds,
        getattr(job, "total_bytes_processed", None),
        None if slot_millis is None else slot_millis / 1000,
        rows,
    )
