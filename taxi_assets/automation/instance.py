"""The Dagster instance that `taxi-assets` and Dagster's own commands share, so that every run is seen in the UI.

It starts as files in DAGSTER_HOME, which need no server. `taxi-assets up` moves it into PostgreSQL, where the
webserver, the daemon and the code server can work at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterInstance, DagsterInvalidConfigError
from dagster._check import CheckError
from dagster_postgres.utils import DagsterPostgresException
from fasteners import InterProcessLock
from sqlalchemy.exc import SQLAlchemyError
from yaml import YAMLError

from taxi_assets.automation.storage import STORAGE_VARIABLE, copy_history, storage_url
from taxi_assets.errors import ServiceError
from taxi_assets.settings import Settings

_CONFIG = """\
# Written once by taxi-assets; yours to change. See https://docs.dagster.io/deployment/oss/dagster-yaml
telemetry:
  enabled: false
nux:
  enabled: false
"""


STORAGE_ERRORS = (SQLAlchemyError, DagsterPostgresException)
"""What Dagster raises when its storage does not answer."""


def dagster_home(settings: Settings) -> Path:
    """The folder of the instance, made with a dagster.yaml when it is not there."""
    home = (settings.dagster_home or settings.data_dir / "dagster_home").expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        config.write_text(_CONFIG, encoding="utf-8")
    return home


def instance_environment(settings: Settings) -> dict[str, str]:
    """What Dagster's processes need to find the instance. Starts the embedded server if its storage is there."""
    home = dagster_home(settings)
    variables = {"DAGSTER_HOME": str(home)}
    if kept_in_postgres(home):
        variables[STORAGE_VARIABLE] = storage_url(settings)
    return variables


def kept_in_postgres(home: Path) -> bool:
    """Whether the instance in this folder keeps its storage in PostgreSQL, by its dagster.yaml."""
    return STORAGE_VARIABLE in (home / "dagster.yaml").read_text(encoding="utf-8")


@contextmanager
def asking_storage(home: Path) -> Iterator[None]:
    """Raises ServiceError, in one line, for what the storage of the instance in this folder does not answer."""
    try:
        yield
    except STORAGE_ERRORS as error:
        place, check = (
            ("PostgreSQL", f"{STORAGE_VARIABLE} and its server") if kept_in_postgres(home) else (home, "DAGSTER_HOME")
        )
        said = str(error.__cause__ or error).strip().splitlines()[0]
        raise ServiceError(f"Dagster's storage in {place} does not answer: {said}; check {check}") from error


def open_instance(settings: Settings) -> DagsterInstance:
    """The instance in `dagster_home`, also for the processes started from this one.

    Raises ServiceError, in one line, for a dagster.yaml that Dagster does not take and a storage that does not answer.
    """
    variables = instance_environment(settings)
    os.environ.update(variables)
    home = Path(variables["DAGSTER_HOME"])
    with InterProcessLock(home / ".opening"):  # two processes that make the storage at once spoil it
        return _instance_in(home)


def _instance_in(home: Path) -> DagsterInstance:
    try:
        with asking_storage(home):
            return DagsterInstance.from_config(str(home))
    except (DagsterInvalidConfigError, CheckError, YAMLError) as error:
        raise ServiceError(f"{home}/dagster.yaml: {_reason(error)}; compare it with deploy/dagster.yaml") from error


def _reason(error: Exception) -> str:
    """Without the list of all that Dagster would have taken, and without its stack trace."""
    said = error.errors[0].message if isinstance(error, DagsterInvalidConfigError) else str(error)
    return " ".join(re.split(r" Expected: | In order for |Stack Trace", said)[0].split()).rstrip(".")


def deploy_instance(settings: Settings, config: Path) -> int:
    """Give the instance the configuration of a server, bringing its runs along; return how many came.

    A dagster.yaml that somebody has written or changed stays as it is.
    """
    home = dagster_home(settings)
    present, kept = home / "dagster.yaml", home / "dagster.yaml.before"
    if re.search(r"^(run_)?storage:", present.read_text(encoding="utf-8"), re.MULTILINE):
        return 0
    with _instance_in(home) as before:
        present.replace(kept)
        try:
            present.write_text(config.read_text(encoding="utf-8"), encoding="utf-8")
            with open_instance(settings) as after:
                return copy_history(before, after)
        except BaseException:
            kept.replace(present)  # the next try starts where this one did
            raise
