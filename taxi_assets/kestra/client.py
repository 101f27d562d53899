"""A client of Kestra 1.1's REST API: flows, executions, backfills and the key-value store.

Written on httpx and not on kestrapy, whose backfill model rejects plain inputs.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from pydantic import TypeAdapter
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from taxi_assets.errors import KestraError, KestraSilentError
from taxi_assets.kestra import documents
from taxi_assets.kestra.server import Execution, ExecutionPage, Flow, Key, LogLine, Trigger, TriggerPage, Value
from taxi_assets.kestra.transport import Answer, Transport

_FLOW = TypeAdapter(Flow)
_EXECUTION = TypeAdapter(Execution)
_EXECUTIONS = TypeAdapter(ExecutionPage)
_LOGS = TypeAdapter(list[LogLine])
_TRIGGER = TypeAdapter(Trigger)
_TRIGGERS = TypeAdapter(TriggerPage)
_VALUE = TypeAdapter(Value)
_KEYS = TypeAdapter(list[Key])
_ANSWER = TypeAdapter(bool)
_PAGE = 100
_PATIENCE = 20.0
"""Seconds that a server may be silent while we follow what it does."""
_YAML = {"Content-Type": "application/x-yaml"}


class KestraClient:
    """One server and tenant. Every method raises KestraError in one line, without the password."""

    def __init__(
        self,
        url: str,
        user: str | None = None,
        password: str | None = None,
        *,
        tenant: str = "main",
        timeout: float = 30.0,
        poll_seconds: float = 0.5,
    ) -> None:
        self._transport = Transport(url, user, password, tenant=tenant, timeout=timeout)
        self.poll_seconds = poll_seconds

    @property
    def url(self) -> str:
        """The server's address, without credentials."""
        return self._transport.url

    def __repr__(self) -> str:
        return f"KestraClient({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def flow(self, namespace: str, flow_id: str) -> Flow | None:
        """The flow, or None when the server has none of that name."""
        return self._transport.find(_FLOW, "flows", namespace, flow_id, doing=f"reading flow {namespace}.{flow_id}")

    def create_or_update(self, text: str) -> Flow:
        """Deploy a flow's YAML. The revision stays as it is when nothing changed."""
        flow = documents.load(text, "the flow")
        name = (str(flow["namespace"]), str(flow["id"]))
        if self.flow(*name) is None:
            return self.create_flow(text)
        doing = f"updating flow {'.'.join(name)}"
        return self._transport.read(_FLOW, "PUT", "flows", *name, content=text, headers=_YAML, doing=doing)

    def create_flow(self, text: str) -> Flow:
        """Create a flow; one of the same name is an error."""
        return self._transport.read(_FLOW, "POST", "flows", content=text, headers=_YAML, doing="creating the flow")

    def delete_flow(self, namespace: str, flow_id: str) -> None:
        self._transport.send("DELETE", "flows", namespace, flow_id, doing=f"deleting flow {namespace}.{flow_id}")

    def execute(
        self, namespace: str, flow_id: str, inputs: Mapping[str, str], labels: Mapping[str, str] | None = None
    ) -> Execution:
        """Start an execution and return it as created; follow() waits for its end."""
        return self._transport.read(
            _EXECUTION, "POST", "executions", namespace, flow_id,
            params=[("labels", f"{key}:{value}") for key, value in (labels or {}).items()],
            files={name: (None, value) for name, value in inputs.items()},  # multipart: anything else is a 415
            doing=f"executing flow {namespace}.{flow_id}",
        )  # fmt: skip

    def execution(self, execution_id: str) -> Execution:
        doing = f"reading execution {execution_id}"
        return self._transport.read(_EXECUTION, "GET", "executions", execution_id, doing=doing)

    def follow(
        self, execution_id: str, timeout: float, on_progress: Callable[[Execution], None] | None = None
    ) -> Execution:
        """Wait for the end of an execution, whatever it is. `timeout` is in seconds."""
        deadline = time.monotonic() + timeout
        while True:
            execution = self.patiently(lambda: self.execution(execution_id))
            if on_progress:
                on_progress(execution)
            if execution.has_ended:
                return execution
            if time.monotonic() > deadline:
                raise KestraError(
                    f"execution {execution_id} is still {execution.state} after {timeout:g} s; "
                    f"it goes on at {self.url}, wait longer with --timeout"
                )
            time.sleep(self.poll_seconds)

    def patiently(self, read: Callable[[], Answer]) -> Answer:
        """Ask again for a while when the server does not answer: what it has been told to do goes on without us."""
        tries = Retrying(
            retry=retry_if_exception_type(KestraSilentError),
            stop=stop_after_delay(_PATIENCE),
            wait=wait_fixed(self.poll_seconds),
            reraise=True,
        )
        return tries(read)

    def executions(self, namespace: str, labels: Mapping[str, str]) -> list[Execution]:
        """Every execution of a namespace that has these labels, oldest first."""
        filters = {f"filters[labels][EQUALS][{key}]": value for key, value in labels.items()}
        filters |= {"filters[namespace][EQUALS]": namespace, "size": str(_PAGE), "sort": "state.startDate:asc"}
        doing = f"searching executions of {namespace}"
        found: list[Execution] = []
        for page in itertools.count(1):
            params = {**filters, "page": str(page)}
            answer = self._transport.read(_EXECUTIONS, "GET", "executions", "search", params=params, doing=doing)
            found += answer.results
            if len(found) >= answer.total or not answer.results:
                break
        return found

    def error_logs(self, execution_id: str) -> list[LogLine]:
        """What an execution logged as warning or error, oldest first."""
        doing = f"reading the log of execution {execution_id}"
        return self._transport.read(_LOGS, "GET", "logs", execution_id, params={"minLevel": "WARN"}, doing=doing)

    def trigger(self, namespace: str, flow_id: str, trigger_id: str) -> Trigger | None:
        """The state of a trigger; None when the flow has none of that name, or was deployed a moment ago."""
        doing = f"reading the triggers of {namespace}.{flow_id}"
        triggers = self._transport.read(_TRIGGERS, "GET", "triggers", namespace, flow_id, doing=doing).results
        return next((trigger for trigger in triggers if trigger.trigger_id == trigger_id), None)

    def backfill(
        self,
        namespace: str,
        flow_id: str,
        trigger_id: str,
        start: datetime,
        end: datetime,
        inputs: Mapping[str, str],
        labels: Mapping[str, str],
    ) -> Trigger:
        """Start a backfill over every tick from `start` to `end`, both included.

        Refuses when one is under way: a second one makes Kestra lose the schedule's return point.
        """
        name = f"{namespace}.{flow_id}.{trigger_id}"
        state = self.trigger(namespace, flow_id, trigger_id)
        if state is None:
            raise KestraError(f"flow {namespace}.{flow_id} has no trigger {trigger_id} at {self.url}")
        if state.backfill is not None:
            raise KestraError(f"trigger {name} is in a backfill already: wait for its end or delete it")
        body = {
            "namespace": namespace,
            "flowId": flow_id,
            "triggerId": trigger_id,
            "backfill": {
                "start": _instant(start),
                "end": _instant(end),
                "inputs": dict(inputs),
                "labels": [{"key": key, "value": value} for key, value in labels.items()],
            },
        }
        return self._transport.read(_TRIGGER, "PUT", "triggers", json=body, doing=f"starting a backfill of {name}")

    def pause_backfill(self, namespace: str, flow_id: str, trigger_id: str) -> None:
        self._change_backfill("pause", namespace, flow_id, trigger_id)

    def unpause_backfill(self, namespace: str, flow_id: str, trigger_id: str) -> None:
        self._change_backfill("unpause", namespace, flow_id, trigger_id)

    def delete_backfill(self, namespace: str, flow_id: str, trigger_id: str) -> None:
        self._change_backfill("delete", namespace, flow_id, trigger_id)

    def _change_backfill(self, change: str, namespace: str, flow_id: str, trigger_id: str) -> None:
        method, path = ("POST", "delete") if change == "delete" else ("PUT", change)
        self._transport.send(
            method, "triggers", "backfill", path,
            json={"namespace": namespace, "flowId": flow_id, "triggerId": trigger_id},
            doing=f"asking to {change} the backfill of {namespace}.{flow_id}.{trigger_id}",
        )  # fmt: skip

    def value(self, namespace: str, key: str) -> Any:
        """A value of the key-value store. Raises KestraError when there is none."""
        return self._transport.read(_VALUE, "GET", *_kv(namespace, key), doing=f"reading {key} of {namespace}").value

    def set_value(self, namespace: str, key: str, value: Any) -> None:
        """Store text, a number, a boolean or a JSON value."""
        self._transport.send(
            "PUT", *_kv(namespace, key), content=json.dumps(value), headers={"Content-Type": "text/plain"},
            doing=f"setting {key} of {namespace}",
        )  # fmt: skip

    def keys(self, namespace: str) -> list[str]:
        doing = f"listing the keys of {namespace}"
        return [entry.key for entry in self._transport.read(_KEYS, "GET", *_kv(namespace), doing=doing)]

    def delete_value(self, namespace: str, key: str) -> bool:
        """False when there was none."""
        return self._transport.read(_ANSWER, "DELETE", *_kv(namespace, key), doing=f"deleting {key} of {namespace}")


def _kv(namespace: str, *key: str) -> tuple[str, ...]:
    return ("namespaces", namespace, "kv", *key)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
