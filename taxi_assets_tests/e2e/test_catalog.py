"""What a person sees of the assets before and after loading anything."""

from __future__ import annotations

import re

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


def test_graph_shows_groups_kinds_and_how_full_each_asset_is(page: Page, picture: Picture) -> None:
    page.goto("/locations/taxi_assets/asset-groups/postgres/lineage")
    expect(page.get_by_text("postgres", exact=True).first).to_be_visible()
    page.get_by_text("Hide navigation").click()
    graph = page.locator("foreignObject")
    for asset in ("green_raw_csv", "green_staging", "green_trips", "yellow_trips"):
        expect(graph.filter(has_text=asset).last).to_be_visible()
    expect(page.get_by_text(re.compile(r"^[1-9]\d*% filled$")).first).to_be_visible()
    expect(page.get_by_text("Postgres", exact=True).first).to_be_visible()
    picture("asset-graph")


def test_catalog_describes_every_asset(page: Page, picture: Picture) -> None:
    page.goto("/assets")
    for taxi in DATASETS:
        expect(page.get_by_text(f"A {taxi} month's file as published, verified, gzipped on the disk.")).to_be_visible()
    expect(page.get_by_text("public.green_tripdata: all trips")).to_be_visible()
    picture("catalog")


def test_asset_shows_table_and_columns(page: Page, picture: Picture) -> None:
    page.goto("/assets/green_trips")
    expect(page.get_by_text("public.green_tripdata", exact=True).first).to_be_visible()
    expect(page.get_by_text("Miles travelled, by the taximeter.")).to_be_visible()
    picture("asset-columns")


def test_month_shows_rows_preview_and_schema_as_tables(page: Page, picture: Picture) -> None:
    page.goto("/assets/green_staging?partition=2020-04&view=partitions")
    row = page.locator("tr").filter(has_text="rows_read")
    expect(row).to_contain_text(str(ROWS))
    preview = page.locator("tr").filter(has_text="preview").first
    expect(preview.locator("table tr")).to_have_count(6)  # a head and five trips
    expect(preview.locator("table")).to_contain_text("lpep_pickup_datetime")
    box = preview.locator("table").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 1600, "the preview is cut off"
    expect(page.get_by_text(re.compile(r'[{\[]"'))).to_have_count(0)
    picture("month-staging")
    page.locator("tr").filter(has_text="column_schema").get_by_text(re.compile("schema", re.IGNORECASE)).last.click()
    expect(page.get_by_text("MD5 over the columns").first).to_be_visible()


def test_month_of_trips_shows_what_was_inserted_and_matched(page: Page, picture: Picture) -> None:
    page.goto("/assets/green_trips?partition=2020-05&view=partitions")
    for name in ("rows_inserted", "rows_matched", "total_rows"):
        expect(page.locator("tr").filter(has_text=name).first).to_contain_text(re.compile(r"\d"))
    picture("month-trips")


def test_checks_of_a_month_passed(page: Page, picture: Picture) -> None:
    page.goto("/assets/green_staging?view=checks&checkDetail=pickups_outside_month")
    for check in ("header_equals_definition", "pickups_outside_month", "repeated_ids", "staging_rows_equal_file"):
        expect(page.get_by_text(check, exact=True).first).to_be_visible()
    expect(page.get_by_text("Passed", exact=True)).to_be_visible()
    expect(page.get_by_text("of the pickups lie outside the file's month")).to_be_visible()
    picture("checks")


def test_runs_from_the_shell_are_listed_with_their_labels(page: Page) -> None:
    page.goto("/runs")
    expect(page.get_by_text("file: green_tripdata_2020-04.csv")).to_be_visible()


def test_schedules_and_sensors_are_listed_with_what_they_do(page: Page, picture: Picture) -> None:
    page.goto("/automation")
    for taxi, hour in (("green", "09:00 AM"), ("yellow", "10:00 AM")):
        expect(page.get_by_text(f"{taxi}_schedule", exact=True)).to_be_visible()
        expect(page.get_by_text(f"At {hour} UTC, on day 1 of the month").first).to_be_visible()
    for sensor in ("release_sensor", "failure_sensor", "trips_changed"):
        expect(page.get_by_text(sensor, exact=True)).to_be_visible()
    picture("automation")
    page.goto("/locations/taxi_assets/schedules/green_schedule")
    expect(page.get_by_text("green_postgres_taxi_scheduled").first).to_be_visible()
    expect(page.get_by_text("Loads the green month that the tick lies in").first).to_be_visible()
