"""Each odd or broken file through download and load: what is said, what is left, and that a repaired file loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from taxi_assets.errors import FileError, NotPublishedError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import Settings
from taxi_assets_tests.conftest import MakeSettings
from taxi_assets_tests.integration.faults.bad_files import CASES, GOOD, ROWS, BadFile
from taxi_assets_tests.integration.faults.months import APRIL, YELLOW, Mirror, load_month, packed
from taxi_assets_tests.integration.faults.tables import both, leftovers
from taxi_assets_tests.reliability import Outcome, Report


def outcome_of(settings: Settings) -> Outcome:
    """What a month's run comes to, in the words of the page."""
    try:
        load = load_month(settings, YELLOW, APRIL)
    except (FileError, NotPublishedError) as error:
        return Outcome(fails=str(error))
    return Outcome(rows_read=load.rows_read, rows_inserted=load.rows_inserted)


@pytest.mark.parametrize("name", CASES)
def test_bad_file(name: str, make_settings: MakeSettings, mirror: Mirror, warehouse: Warehouse, report: Report) -> None:
    case = CASES[name]
    settings = make_settings(source_url=mirror.url, **case.settings)
    if not case.on_empty:
        mirror.publish(YELLOW, APRIL, packed(GOOD))
        load_month(settings, YELLOW, APRIL)
    before = both(warehouse, YELLOW)
    mirror.publish(YELLOW, APRIL, case.make())
    outcome = outcome_of(settings)
    after = both(warehouse, YELLOW)
    if case.loads:
        assert outcome == Outcome(rows_read=case.rows, rows_inserted=case.inserted)
        assert after.staging.rows == case.rows
        assert after.trips.rows == before.trips.rows + case.inserted
    else:
        assert_one_line(outcome.fails, case)
        assert after == before
    assert leftovers(warehouse) == []
    assert_repaired_file_loads(settings, mirror, warehouse)
    report.row(name, case.title, outcome.without(mirror.url), case.kestra)


def assert_one_line(said: str, case: BadFile) -> None:
    """What happened to which file, and after the last semicolon or colon what to do."""
    assert case.says in said
    assert "yellow_tripdata_2019-04.csv" in said
    assert re.search(r"repair|run the month again|another source|choose|check|raise", said)
    assert said.isprintable()
    assert len(said) < 400


def assert_repaired_file_loads(settings: Settings, mirror: Mirror, warehouse: Warehouse) -> None:
    mirror.publish(YELLOW, APRIL, packed(GOOD))
    load_month(settings, YELLOW, APRIL)
    assert both(warehouse, YELLOW).staging.rows == ROWS
    assert load_month(settings, YELLOW, APRIL).rows_inserted == 0


@pytest.mark.parametrize(
    "name", ["utf8_bom_header", "extra_blank_line_at_end", "crlf_all", "crlf_but_last_lf", "columns_reordered",
             "mixed_line_ends", "mixed_blank_lines_at_end", "two_gzip_members"],
)  # fmt: skip
def test_another_spelling_of_the_good_month_leaves_the_same_tables(
    name: str, settings: Settings, mirror: Mirror, warehouse: Warehouse
) -> None:
    """On an empty database, so that a wrong row could not hide behind the right one."""
    mirror.publish(YELLOW, APRIL, CASES[name].make())
    load_month(settings, YELLOW, APRIL)
    odd = both(warehouse, YELLOW)
    with warehouse.connect() as connection:
        connection.execute("TRUNCATE public.yellow_tripdata")
    mirror.publish(YELLOW, APRIL, packed(GOOD))
    load_month(settings, YELLOW, APRIL)
    assert both(warehouse, YELLOW) == odd


def test_every_file_measured_with_kestra_is_here(shared_dir: Path) -> None:
    """The two left out are second runs, which every case here has at its end."""
    lines = (shared_dir / "kestra-truth" / "bad-inputs.tsv").read_text().splitlines()[1:]
    measured = {line.split("\t")[0] for line in lines}
    assert measured - CASES.keys() == {"duplicate_rows_on_empty_db_rerun", "rerun_after_failure_good_file"}


def test_what_the_page_says_of_kestra_was_measured(shared_dir: Path) -> None:
    lines = (shared_dir / "kestra-truth" / "bad-inputs.tsv").read_text().splitlines()
    names = lines[0].split("\t")
    rows = [dict(zip(names, line.split("\t"), strict=False)) for line in lines[1:]]
    for row in rows:
        case = CASES.get(row["case"])
        if case is None or row["failing_task"] == "extract":
            continue
        assert case.kestra.startswith("fails") == (row["state"] == "FAILED"), row
        assert ("staging is left empty" in case.kestra) == (row["staging_rows"] == "0"), row
