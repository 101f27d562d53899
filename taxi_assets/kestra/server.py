"""What a Kestra 1.1 server answers about executions, logs and triggers, as far as this project reads it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

ENDED = frozenset({"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "SKIPPED", "RETRIED"})


def _labels(value: object) -> object:
    """Kestra sends labels as a list of key and value."""
    return {label["key"]: label["value"] for label in value} if isinstance(value, list) else value


Labels = Annotated[dict[str, str], BeforeValidator(_labels)]


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore")


class Flow(_Answer):
    """A flow as the server holds it."""

    namespace: str
    id: str
    revision: int


class TaskRun(_Answer):
    """One task of an execution."""

    task_id: str
    state: str = Field(validation_alias=AliasPath("state", "current"))


class Execution(_Answer):
    """One execution of a flow."""

    id: str
    namespace: str
    flow_id: str
    state: str = Field(validation_alias=AliasPath("state", "current"))
    started: datetime = Field(validation_alias=AliasPath("state", "startDate"))
    ended: datetime | None = Field(None, validation_alias=AliasPath("state", "endDate"))
    inputs: dict[str, Any] = {}
    labels: Labels = {}
    tasks: tuple[TaskRun, ...] = Field((), validation_alias="taskRunList")
    trigger_date: datetime | None = Field(None, validation_alias=AliasPath("trigger", "variables", "date"))

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def seconds(self) -> float | None:
        """From creation to end, as Kestra shows it."""
        return None if self.ended is None else (self.ended - self.started).total_seconds()

    @property
    def failed_tasks(self) -> tuple[str, ...]:
        return tuple(task.task_id for task in self.tasks if task.state in {"FAILED", "KILLED"})


class ExecutionPage(_Answer):
    results: tuple[Execution, ...]
    total: int


class LogLine(_Answer):
    level: str
    message: str
    task_id: str | None = None


class Backfill(_Answer):
    """A backfill that is under way on a trigger; both ends of its window belong to it."""

    start: datetime
    end: datetime
    current: datetime = Field(validation_alias="currentDate")
    paused: bool
    inputs: dict[str, Any] | None = None
    labels: Labels = {}


class Trigger(_Answer):
    """The state of a flow's trigger."""

    trigger_id: str
    next_execution: datetime | None = Field(None, validation_alias="nextExecutionDate")
    disabled: bool = False
    backfill: Backfill | None = None


class TriggerPage(_Answer):
    results: tuple[Trigger, ...]


class Value(_Answer):
    """An entry of the key-value store."""

    value: Any


class Key(_Answer):
    key: str
