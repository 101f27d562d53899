"""Executes a flow's SQL and COPY steps literally against PostgreSQL, as a Kestra worker would.

It is not a Kestra server: nothing is downloaded, queued or scheduled, and what it does not know it refuses by name
before the first statement, so that a step is never silently left out or done differently.
"""

from __future__ import annotations

import fnmatch
import gzip
import re
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from taxi_assets.errors import KestraError
from taxi_assets.kestra import pebble, task_types
from taxi_assets.kestra.documents import FlowDocument
from taxi_assets.kestra.postgres_flows import Task
from taxi_assets.postgres.connection import Warehouse

_EVERY_TASK = frozenset({"id", "type", "description"})
_PROPERTIES: Mapping[str, frozenset[str]] = {
    task_types.LABELS: frozenset({"labels"}),
    task_types.COMMANDS: frozenset({"commands", "outputFiles", "taskRunner"}),
    task_types.IF: frozenset({"condition", "then", "else"}),
    task_types.QUERIES: frozenset({"sql"}),
    task_types.COPY_IN: frozenset({"format", "from", "table", "header", "columns"}),
    task_types.PURGE_FILES: frozenset(),
}
_OF_FLOW = frozenset(
    {"id", "namespace", "description", "inputs", "variables", "tasks", "pluginDefaults", "concurrency", "triggers"}
)
_FALSE = frozenset({"", "false", "0", "-0"})
"""What Kestra's If takes for no."""
_ARCHIVE = re.compile(r"[^\s\"'/]+\.csv\.gz")
_COMMANDS = re.compile(
    r"wget -qO (\S+\.csv)\.gz \S+\.csv\.gz( \|\| \{ echo \"[^\"]*\" >&2; exit 1; \})?"
    r"|gunzip \S+\.csv\.gz"
    r"|wget -qO- \S+\.csv\.gz \| gunzip > \S+\.csv"
)
"""The shell commands in whose place the replay unpacks the given file."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class ReplayedTask:
    task_id: str
    type: str
    seconds: float


@dataclass
class Replay:
    """One execution of a flow. Make it with `prepare`; go through `steps` to hold it up between two tasks."""

    flow: FlowDocument
    warehouse: Warehouse
    file: Path
    context: dict[str, Any]
    labels: dict[str, str] = field(default_factory=dict)
    tasks: list[ReplayedTask] = field(default_factory=list)

    @classmethod
    def prepare(
        cls,
        flow: FlowDocument,
        inputs: Mapping[str, str],
        connection_url: str,
        file: Path,
        trigger_date: datetime | None = None,
    ) -> Replay:
        """`file` is the month's .csv.gz, used in place of the download; `trigger_date` is a schedule's tick.

        Raises KestraError naming the first task, property, input or expression that the replay does not know.
        """
        _check_flow(flow)
        context: dict[str, Any] = {
            "inputs": _inputs(flow, inputs),
            "vars": dict(flow.get("variables", {})),
            "outputs": {},
        }
        if trigger_date is not None:
            context["trigger"] = {"date": trigger_date}
        return cls(flow, Warehouse(connection_url), file, context)

    @property
    def seconds(self) -> float:
        return sum(task.seconds for task in self.tasks)

    def steps(self) -> Iterator[ReplayedTask]:
        """Execute the tasks; each is yielded when it is done and committed, before the next begins."""
        with tempfile.TemporaryDirectory(prefix="taxi-assets-replay-") as folder:
            yield from self._run(self.flow["tasks"], Path(folder))

    def _run(self, tasks: list[Task], folder: Path) -> Iterator[ReplayedTask]:
        for task in tasks:
            if task["type"] == task_types.IF:
                taken = pebble.render(task["condition"], self.context).strip() not in _FALSE
                yield from self._run(task.get("then" if taken else "else", []), folder)
                continue
            start = time.perf_counter()
            try:
                self._execute(task, folder)
            except psycopg.Error as error:
                raise KestraError(f"{task['id']}: {_said(error)}") from error
            done = ReplayedTask(task["id"], task["type"], time.perf_counter() - start)
            self.tasks.append(done)
            yield done

    def _execute(self, task: Task, folder: Path) -> None:
        match task["type"]:
            case task_types.LABELS:
                rendered = {key: pebble.render(value, self.context) for key, value in task["labels"].items()}
                self.labels.update(rendered)
            case task_types.COMMANDS:
                self._extract(task, folder)
            case task_types.QUERIES:
                sql = pebble.render(task["sql"], self.context).encode()
                with self.warehouse.connect("kestra replay") as connection, connection.transaction():
                    connection.execute(sql)
            case task_types.COPY_IN:
                self._copy_in(task)
            case _:
                shutil.rmtree(folder)
                folder.mkdir()

    def _extract(self, task: Task, folder: Path) -> None:
        """Unpack the given file where the commands would download and unpack it."""
        commands = [" ".join(pebble.render(command, self.context).split()) for command in task["commands"]]
        if unknown := [command for command in commands if not _COMMANDS.fullmatch(command)]:
            raise KestraError(f"{task['id']}: the replay does not know the command {unknown[0]!r}")
        archives = {match[0] for match in _ARCHIVE.finditer("\n".join(commands))}
        if archives != {self.file.name}:
            raise KestraError(
                f"{task['id']}: the flow downloads {' and '.join(sorted(archives)) or 'no .csv.gz'}, "
                f"the file given is {self.file.name}"
            )
        csv = folder / self.file.name.removesuffix(".gz")
        try:
            with gzip.open(self.file, "rb") as packed, csv.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, _BLOCK)
        except (OSError, EOFError, zlib.error) as error:
            raise KestraError(f"{task['id']}: cannot unpack {self.file}: {error}") from error
        kept = any(fnmatch.fnmatch(csv.name, pattern) for pattern in task["outputFiles"])
        self.context["outputs"][task["id"]] = {"outputFiles": {csv.name: str(csv)} if kept else {}}

    def _copy_in(self, task: Task) -> None:
        table = pebble.render(task["table"], self.context)
        columns = f" ({', '.join(task['columns'])})" if "columns" in task else ""
        options = [f"{name.upper()} {task[name]}" for name in ("format", "header") if name in task]
        copy_in = f"COPY {table}{columns} FROM STDIN" + (f" WITH ({', '.join(options)})" if options else "")
        with (
            Path(pebble.render(task["from"], self.context)).open("rb") as csv,
            self.warehouse.connect("kestra replay") as connection,
            connection.cursor().copy(copy_in.encode()) as copy,
        ):
            while block := csv.read(_BLOCK):
                copy.write(block)


def replay(
    flow: FlowDocument,
    inputs: Mapping[str, str],
    connection_url: str,
    file: Path,
    trigger_date: datetime | None = None,
    on_task: Callable[[ReplayedTask], None] | None = None,
) -> Replay:
    """Execute a flow from its first task to its last; see Replay.prepare for the arguments."""
    execution = Replay.prepare(flow, inputs, connection_url, file, trigger_date)
    for task in execution.steps():
        if on_task:
            on_task(task)
    return execution


def _said(error: psycopg.Error) -> str:
    where = (error.diag.context or "").splitlines()[:1]
    return ", ".join(" ".join(part.split()) for part in [error.diag.message_primary or str(error), *where])


def _check_flow(flow: FlowDocument) -> None:
    if unknown := flow.keys() - _OF_FLOW:
        raise KestraError(f"the replay does not know a flow's {min(unknown)!r}")
    for default in flow.get("pluginDefaults", []):
        if not task_types.QUERIES.startswith(default["type"]) or default["values"].keys() - {
            "url",
            "username",
            "password",
        }:
            raise KestraError(f"the replay does not know these pluginDefaults of {default['type']}")
    for variable in flow.get("variables", {}).values():
        pebble.check(str(variable))
    _check_tasks(flow["tasks"])


def _check_tasks(tasks: list[Task]) -> None:
    for task in tasks:
        known = _PROPERTIES.get(task["type"])
        if known is None:
            raise KestraError(f"{task['id']}: the replay does not know tasks of type {task['type']}")
        if unknown := task.keys() - known - _EVERY_TASK:
            raise KestraError(f"{task['id']}: the replay does not know {min(unknown)!r} of {task['type']}")
        if not isinstance(task.get("labels", {}), Mapping):
            raise KestraError(f"{task['id']}: the replay knows labels as a mapping only")
        for branch in ("then", "else"):
            _check_tasks(task.get(branch, []))
        for name, value in task.items():
            if name not in {"then", "else"}:
                _check_expressions(task["id"], value)


def _check_expressions(task_id: str, value: Any) -> None:
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            _check_expressions(task_id, part)
        return
    try:
        pebble.check(str(value))
    except KestraError as error:
        raise KestraError(f"{task_id}: {error}") from None


def _inputs(flow: FlowDocument, given: Mapping[str, str]) -> dict[str, str]:
    """The given inputs over the defaults, refused as the server refuses them."""
    declared = {each["id"]: each for each in flow.get("inputs", [])}
    if unknown := given.keys() - declared.keys():
        raise KestraError(f"flow {flow['id']} has no input {min(unknown)!r}")
    for name, each in declared.items():
        if each["type"] != "SELECT":
            raise KestraError(f"the replay does not know inputs of type {each['type']} ({name})")
        value = given.get(name, each.get("defaults"))
        if value not in each["values"]:
            raise KestraError(f"input {name} is {value!r}: choose one of {', '.join(each['values'])}")
    return {name: given.get(name, each.get("defaults")) for name, each in declared.items()}
