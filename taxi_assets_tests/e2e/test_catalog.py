"""What a person sees of the assets before and after loading anything."""

from __future__ import annotations

import re
from contextlib import suppress

from playwright.sync_api import Page, expect

from taxi_assets.trips.datasets import DATASETS
from taxi_assets_tests.e2e.conftest import Picture
from taxi_assets_tests.stack import ROWS, Stack


def test_code_location_loads_without_warnings(page: Page, stack: Stack) -> None:
    page.goto("/deployment/locations")
    expect(page.get_by_text("Loaded", exact=True)).to_be_visible()
    expect(page.get_by_text(re.compile("failed|error|warning", re.IGNORECASE))).to_have_count(0)
    log = stack.deployment.services[0].log.read_text()
    assert "Started Dagster code server" in log
    assert "arning" not in log


def test_daemons_run(page: Page) -> None:
    page.goto("/deployment/daemons")
    expect(page.get_by_text("Running", exact=True).first).to_be_visible()
    expect(page.get_by_text("Not running", exact=True)).to_have_count(0)


def test_lineage_shows_the_groups(page: Page) -> None:
    page.goto("/asset-groups")
    for group, assets in (("source", 1), ("postgres", 6), ("bigquery", 10)):
        card = page.locator("foreignObject").filter(has_text=group)
        expect(card).to_contain_text(str(assets))


def test_graph_of_a_group_shows_kinds_descriptions_and_how_full_each_asset_is(page: Page, picture: Picture) -> None:
    page.goto("/locations/taxi_assets/asset-groups/postgres/lineage")
    expect(page.get_by_text("postgres", exact=True).first).to_be_visible()
    page.get_by_text("Hide navigation").click()
    graph = page.locator("foreignObject")
    for taxi in DATASETS:
        expect(graph.filter(has_text=f"{taxi}_raw_csv").last).to_be_visible()
        for table in ("staging", "trips"):
            expect(graph.filter(has_text=f"{taxi}_{table}").last).to_contain_text(re.compile(r"[1-9]\d*% filled"))
    for kind in ("Postgres", "Table"):
        expect(page.get_by_text(kind, exact=True)).to_have_count(4)
    picture("asset-graph")
    graph.filter(has_text="green_trips").last.click()
    expect(page.get_by_text("public.green_tripdata: all trips, each file's new ones merged in.")).to_be_visible()


def test_catalog_describes_every_asset(page: Page, picture: Picture) -> None:
    page.goto("/assets")
    for taxi in DATASETS:
        expect(page.get_by_text(f"A {taxi} month's file as published, verified, gzipped on the disk.")).to_be_visible()
    expect(page.get_by_text("public.green_tripdata: all trips")).to_be_visible()
    picture("catalog", width=1800, height=1240)


def test_asset_shows_table_and_columns(page: Page, picture: Picture) -> None:
    page.goto("/assets/green_trips")
    expect(page.get_by_text("public.green_tripdata", exact=True).first).to_be_visible()
    expect(page.get_by_text("Miles travelled, by the taximeter.")).to_be_visible()
    for section in ("Metadata", "Lineage"):
        page.get_by_text(section, exact=True).last.click()
    picture("asset-columns", height=1560)


def test_month_shows_rows_preview_and_schema_as_tables(page: Page, picture: Picture) -> None:
    page.goto("/assets/green_staging?partition=2020-04&view=partitions")
    row = page.locator("tr").filter(has_text="rows_read")
    expect(row).to_contain_text(str(ROWS))
    preview = page.locator("tr").filter(has_text="preview").first
    expect(preview.locator("table tr")).to_have_count(6)  # a head and five trips
    expect(preview.locator("table")).to_contain_text("lpep_pickup_datetime")
    expect(page.get_by_text(re.compile(r'[{\[]"'))).to_have_count(0)
    picture("month-staging", width=1760)
    page.locator("tr").filter(has_text="column_schema").get_by_text(re.compile("schema", re.IGNORECASE)).last.click()
    expect(page.get_by_text("MD5 over the columns").first).to_be_visible()


def test_month_of_trips_shows_what_was_inserted_and_matched(page: Page, picture: Picture) -> None:
    page.goto("/assets/green_trips?partition=2020-05&view=partitions")
    for name in ("rows_inserted", "rows_matched", "total_rows"):
        expect(page.locator("tr").filter(has_text=name).first).to_contain_text(re.compile(r"\d"))
    picture("month-trips", height=1200)


def test_checks_of_a_month_passed(page: Page, picture: Picture) -> None:
    page.goto("/assets/green_staging?view=checks&checkDetail=pickups_outside_month")
    for check in ("header_equals_definition", "pickups_outside_month", "repeated_ids", "staging_rows_equal_file"):
        expect(page.get_by_text(check, exact=True).first).to_be_visible()
    expect(page.get_by_text("of the pickups lie outside the file's month")).to_be_visible()
    page.get_by_role("tab", name="Partitions").last.click()
    page.get_by_text("2020-04", exact=True).filter(visible=True).last.click()
    expect(page.get_by_text("Passed", exact=True)).to_be_visible()
    expect(page.get_by_text(re.compile(r"^Passed \([1-9]"))).to_be_visible()
    picture("checks", height=800)


def test_runs_from_the_shell_are_listed_with_their_labels(page: Page) -> None:
    page.goto("/runs")
    expect(page.get_by_text("file: green_tripdata_2020-04.csv")).to_be_visible()


def test_schedules_and_sensors_are_listed_with_what_they_do(page: Page, picture: Picture) -> None:
    said = {
        "green_schedule": "Runs green_postgres_taxi_scheduled for the month that the tick lies in",
        "yellow_schedule": "Runs yellow_postgres_taxi_scheduled for the month that the tick lies in",
        "green_gcp_schedule": "Runs green_bigquery_taxi for the month that the tick lies in",
        "yellow_gcp_schedule": "Runs yellow_bigquery_taxi for the month that the tick lies in",
        "release_sensor": "Requests published months that are not in the tables",
        "trips_changed": "Starts analyze_trips when months have been loaded",
        "failure_sensor": "Posts each failed run as JSON to TAXI_FAILURE_WEBHOOK_URL",
    }
    page.goto("/automation")
    for name in said:  # rows that come late push the others from under the pointer
        expect(page.get_by_text(name, exact=True)).to_be_visible()
    for name, description in said.items():
        row = page.get_by_text(name, exact=True).locator("xpath=ancestor::div[.//*[@aria-label='info']][1]")
        tooltip = page.get_by_role("tooltip").filter(has_text=description).first
        row.get_by_label("info").hover()
        with suppress(AssertionError):
            expect(tooltip).to_be_visible(timeout=5_000)
        if tooltip.is_hidden():
            page.mouse.move(0, 0)
            row.get_by_label("info").hover()
        expect(tooltip).to_be_visible()
    for hour in ("09:00 AM", "10:00 AM"):
        expect(page.get_by_text(f"At {hour} UTC, on day 1 of the month")).to_have_count(2)
    page.reload()  # without the last one's tip
    expect(page.get_by_text("release_sensor", exact=True)).to_be_visible()
    picture("automation", height=640)
