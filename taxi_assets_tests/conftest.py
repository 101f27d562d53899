"""What tests share: a real PostgreSQL, an empty database for each test, mirrors of files, settings for them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import psycopg
import pytest
from _pytest.terminal import TerminalReporter
from psycopg import sql

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.settings import Settings
from taxi_assets_tests.reliability import Report
from taxi_assets_tests.shared import shared_path

# Settings of the person who runs the tests must not leak into them.
_OTHERS = ("GCP_", "SECRET_GCP_", "GOOGLE_", "BIGQUERY_", "STORAGE_EMULATOR")
for _name in [name for name in os.environ if name.startswith(("TAXI_", *_OTHERS))]:
    if _name not in ("TAXI_SHARED_DIR", "TAXI_PICTURES"):
        del os.environ[_name]
os.environ.pop("DAGSTER_HOME", None)
Settings.model_config["env_file"] = None  # a .env in the folder is the person's as well

MakeSettings = Callable[..., Settings]


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """What a test leaves in the environment, as opening a Dagster instance does, must not reach the next one."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


Rows = Counter[str]
Compare = Callable[[Rows, Rows], None]
Fault = Callable[[], AbstractContextManager[Compare]]
FAULTS, SURVIVED, LOST, WRONG = "faults", "survived", "rows lost", "rows wrong"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--torture", action="store_true", help="try faults and random tables many times more")
    parser.addoption("--write-reliability", action="store_true", help="collect what docs/reliability.md is written of")


def pytest_configure(config: pytest.Config) -> None:
    # Random tables are loaded into a real server, so a slow example is no finding.
    torture = config.getoption("--torture")
    common = hypothesis.settings(deadline=None, derandomize=not torture, database=None)
    hypothesis.settings.register_profile("suite", common, max_examples=10, phases=list(hypothesis.Phase)[:3])
    hypothesis.settings.register_profile("torture", common, max_examples=500)
    hypothesis.settings.load_profile("torture" if torture else "suite")


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--torture"):
        return
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    called = [report for report in reports if getattr(report, "when", "") == "call" and not report.skipped]
    counts: Counter[str] = Counter()
    for report in called:
        for name, number in report.user_properties or [(FAULTS, 1), (SURVIVED, int(report.passed))]:
            counts[name] += number
    failed = sum(report.failed for report in called)
    told = f"{counts[FAULTS]} faults tried in {len(called)} tests, {counts[SURVIVED]} survived, {failed} tests failed, "
    terminalreporter.write_line(f"{told}{counts[LOST]} rows lost, {counts[WRONG]} rows wrong")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that is skipped where docs/reliability.md is to be written fails, since its rows would be missing."""
    made = yield
    writes = item.config.getoption("--write-reliability") and "report" in getattr(item, "fixturenames", ())
    if writes and made.skipped:
        made.outcome, made.longrepr = "failed", f"its row of docs/reliability.md would be missing: {made.longreprtext}"
    return made


@pytest.fixture
def fault(record_property: Callable[[str, object], None]) -> Fault:
    """Counts for the summary of `make torture`. What is done in its context is one fault, survived when nothing is
    raised; the function that it gives counts the rows that are missing and those that should not be there, before it
    raises AssertionError for them."""

    def compare(expected: Rows, found: Rows) -> None:
        record_property(LOST, (expected - found).total())
        record_property(WRONG, (found - expected).total())
        assert found == expected

    @contextmanager
    def one() -> Iterator[Compare]:
        record_property(FAULTS, 1)
        yield compare
        record_property(SURVIVED, 1)

    return one


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Takes results to docs/reliability.md, in the section of the test's module."""
    section = request.path.stem.removeprefix("test_")
    return Report(section, write=request.config.getoption("--write-reliability"))


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with real months and what a real Kestra did with them; tests that need it skip without it."""
    return shared_path("kestra-truth").parent


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder for a server's data. Not pytest's tmp_path: as root the server runs as another user, and each start of
    pytest closes the folder above all of them to others."""
    with TemporaryDirectory(prefix="taxi-assets-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """An embedded PostgreSQL for this test process."""
    with running_server() as embedded:
        yield embedded


@contextmanager
def running_server() -> Iterator[EmbeddedServer]:
    """A server of its own, gone with its data at the end."""
    with server_folder() as folder:
        embedded = EmbeddedServer(folder / "postgres")
        embedded.start()
        try:
            yield embedded
        finally:
            embedded.stop()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder for commands that start an embedded server of their own; it is stopped at the end."""
    with server_folder() as folder:
        yield folder
        EmbeddedServer(folder / "postgres").stop()


@pytest.fixture(scope="session")
def server_url(server: EmbeddedServer) -> str:
    return server.start()


@pytest.fixture
def warehouse(server_url: str, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """An empty database of the test's own."""
    name = f"test_{abs(hash(request.node.nodeid)) % 10**12}"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield Warehouse(server_url.rpartition("/")[0] + f"/{name}")
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def make_settings(tmp_path: Path, warehouse: Warehouse) -> MakeSettings:
    """Settings for a data folder and a database of the test's own; keywords override fields."""

    def make(**fields: object) -> Settings:
        given = {"data_dir": tmp_path / "data", "postgres_url": warehouse.url, "_env_file": None, **fields}
        return Settings(**given)  # type: ignore[arg-type]

    return make
