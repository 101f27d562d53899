"""Loading months by clicking, and what a person sees of one that fails."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import write_month
from taxi_assets_tests.e2e.conftest import BROKEN_MONTH, Picture
from taxi_assets_tests.stack import ROWS, Stack, file_of, wait_for


def test_backfill_launched_in_the_dialog_loads_its_months(page: Page, stack: Stack, picture: Picture) -> None:
    launch(page, "green_postgres_taxi", "[2020-06...2020-08]", picture)
    months = {"2020-06", "2020-07", "2020-08"}
    wait_for(lambda: months <= stack.materialized("green_trips"), 120, "three months are materialized")
    rows = stack.query("SELECT filename, count(*) FROM public.green_tripdata WHERE filename > 'green_tripdata_2020-05z'"
                       " GROUP BY filename ORDER BY filename")  # fmt: skip
    assert rows == [(f"green_tripdata_{month}.csv", ROWS) for month in sorted(months)]
    page.goto("/runs?view=backfills")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=60_000)


def test_failed_month_says_why_in_one_line_and_is_run_again_alone(page: Page, stack: Stack, picture: Picture) -> None:
    launch(page, "green_postgres_taxi", f"[2020-02...{BROKEN_MONTH}]")
    wait_for(lambda: bool(failed_runs(stack)), 150, "the run with the broken month ends")
    assert "2020-02" in stack.materialized("green_trips"), "the month beside it is loaded"

    page.goto(f"/assets/green_trips?partition={BROKEN_MONTH}&view=partitions")
    expect(page.get_by_text("failed, and did not materialize this asset")).to_be_visible()
    picture("failed-month", height=700)
    page.get_by_text("View logs").click()
    page.get_by_placeholder("Filter…").fill(f"green {BROKEN_MONTH} failed")
    reason = page.get_by_text(f"green {BROKEN_MONTH} failed:").first
    expect(reason).to_contain_text(f"green_tripdata_{BROKEN_MONTH}.csv.gz is cut short")
    assert "\n" not in reason.inner_text().strip()
    picture("failed-run", height=640, whole=False)

    before = loads(stack)
    write_month(DATASETS["green"], Month.parse(BROKEN_MONTH), file_of(stack, "green", BROKEN_MONTH), ROWS)
    open_dialog(page, "green_postgres_taxi")
    page.get_by_role("button", name="Failed", exact=True).click()
    page.get_by_role("button", name="Launch 1 run").click()
    wait_for(lambda: BROKEN_MONTH in stack.materialized("green_trips"), 120, "the mended month is materialized")
    assert set(loads(stack)) - set(before) == {("green", BROKEN_MONTH, ROWS)}
    assert len(loads(stack)) == len(before) + 1


def launch(page: Page, job: str, months: str, picture: Picture | None = None) -> None:
    """Click through a job's dialog."""
    open_dialog(page, job)
    page.get_by_placeholder("ex:").fill(months)
    page.get_by_placeholder("ex:").press("Enter")
    if picture:
        picture("backfill-dialog")
    page.get_by_role("button", name="Launch").last.click()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


def open_dialog(page: Page, job: str) -> None:
    page.goto(f"/locations/taxi_assets/jobs/{job}")
    page.get_by_role("button", name="Materialize").first.click()


def loads(stack: Stack) -> list[tuple[object, ...]]:
    """The last load of every taxi and month, with the rows it inserted."""
    return stack.query("SELECT taxi, month, rows_inserted FROM taxi_assets.loads")


def failed_runs(stack: Stack) -> list[str]:
    data = stack.graphql("{ runsOrError(filter: {statuses: [FAILURE]}) { ... on Runs { results { runId } } } }")
    return [run["runId"] for run in data["runsOrError"]["results"]]
