"""How deployed runs are launched, and how Dagster learns that one's process is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value

if TYPE_CHECKING:
    from dagster import DagsterRun


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's own launcher, whose runs are processes of the code server, with a health check.

    A code server reports a run process that dies before it. When the server itself is killed nobody does, and its
    runs would count as running until their time is up. Run monitoring asks here, and fails such a run, so that it
    is retried.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Ask the code server for its runs. Raises while it cannot be reached, which leaves the run as it is."""
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return CheckRunHealthResult(WorkerStatus.SUCCESS, "finished, or not launched by a code server")
        current = deserialize_value(client.get_current_runs(), GetCurrentRunsResult)
        if run.run_id in current.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its process is gone: the code server was restarted")
