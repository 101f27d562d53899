"""The schedules, evaluated by Dagster's own scheduler at chosen moments. The requested runs stay in its queue."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from dagster import DagsterRun
from dagster._core.scheduler.instigation import TickStatus

from taxi_assets.trips.months import Month
from taxi_assets_tests.integration.automation.conftest import GCP, POSTGRES, Flow, Scheduler, months

Start = Callable[..., Scheduler]
Publish = Callable[..., str]
SOON = timedelta(seconds=5)


def tick(month: Month, hour: int = 9, zone: str = "UTC") -> datetime:
    return datetime(month.year, month.month, 1, hour, tzinfo=ZoneInfo(zone))


def loaded(runs: list[DagsterRun]) -> list[str]:
    return [run.tags["dagster/partition"] for run in runs]


@pytest.mark.parametrize(
    ("flow", "zone", "taxis", "last"),
    [
        (POSTGRES, "UTC", ("green", "yellow"), "2023-12"),
        (POSTGRES, "America/New_York", ("green",), "2023-12"),
        (POSTGRES, "Pacific/Auckland", ("green", "yellow"), "2019-12"),
        (GCP, "UTC", ("green", "yellow"), "2019-12"),
    ],
    ids=["five_years", "five_years_in_new_york", "year_in_auckland", "year_of_flow_09"],
)
def test_ticks_each_load_their_own_month_once(
    start: Start, published: Publish, flow: Flow, zone: str, taxis: tuple[str, ...], last: str
) -> None:
    wanted = months("2019-01", last)
    scheduler = start(
        TAXI_SOURCE_URL=published(wanted),
        TAXI_LAST_MONTH=last,
        TAXI_SCHEDULE_TIMEZONE=zone,
        TAXI_SCHEDULE_LABELS="team=data, env=test",
    )
    for taxi in taxis:
        scheduler.switch(flow.schedule(taxi), on=True, at=tick(wanted[0], zone=zone) - SOON)
    for month in wanted:
        for hour in (9, 10):
            scheduler.look(tick(month, hour, zone) + SOON)
        scheduler.look(tick(month, 10, zone) + timedelta(minutes=1))
    for taxi in taxis:
        hour = {"green": 9, "yellow": 10}[taxi]
        runs = scheduler.runs(flow.schedule(taxi))
        assert loaded(runs) == [str(month) for month in wanted]
        for month, run in zip(wanted, runs, strict=True):
            date = tick(month, hour, zone)
            assert run.job_name == flow.job(taxi)
            assert run.tags["taxi_assets/flow"].startswith(flow.kestra)
            assert run.tags["trigger.date"] == date.isoformat().replace("+00:00", "Z")
            assert datetime.fromisoformat(run.tags["trigger.next"]) == tick(month.next, hour, zone)
            assert datetime.fromisoformat(run.tags["trigger.previous"]).month == (month.month - 2) % 12 + 1
            assert run.tags["file"] == f"{taxi}_tripdata_{month}.csv"
            assert (run.tags["taxi"], run.tags["team"], run.tags["env"]) == (taxi, "data", "test")


def test_offset_of_a_tick_follows_daylight_saving(start: Start, flow: Flow, published: Publish) -> None:
    wanted = months("2019-03", "2019-04")
    scheduler = start(TAXI_SOURCE_URL=published(wanted), TAXI_SCHEDULE_TIMEZONE="America/New_York")
    scheduler.switch(flow.schedule("green"), on=True, at=tick(wanted[0]))
    for month in wanted:
        scheduler.look(tick(month, zone="America/New_York") + SOON)
    dates = [run.tags["trigger.date"] for run in scheduler.runs()]
    assert dates == ["2019-03-01T09:00:00-05:00", "2019-04-01T09:00:00-04:00"]


def test_nothing_is_run_retroactively_when_first_switched_on(start: Start, flow: Flow, published: Publish) -> None:
    scheduler = start(TAXI_SOURCE_URL=published(months("2019-01", "2019-12")))
    scheduler.switch(flow.schedule("green"), on=True, at=datetime(2019, 6, 15, tzinfo=UTC))
    scheduler.look(datetime(2019, 6, 15, 0, 1, tzinfo=UTC))
    assert scheduler.runs() == []
    scheduler.look(tick(Month(2019, 7)) + SOON)
    assert loaded(scheduler.runs()) == ["2019-07"]


def test_time_switched_off_is_not_made_up_for(start: Start, flow: Flow, published: Publish) -> None:
    scheduler = start(TAXI_SOURCE_URL=published(months("2019-01", "2019-12")))
    scheduler.switch(flow.schedule("green"), on=True, at=datetime(2019, 1, 15, tzinfo=UTC))
    scheduler.look(tick(Month(2019, 2)) + SOON)
    scheduler.switch(flow.schedule("green"), on=False, at=datetime(2019, 2, 15, tzinfo=UTC))
    scheduler.look(tick(Month(2019, 3)) + SOON)
    scheduler.switch(flow.schedule("green"), on=True, at=datetime(2019, 4, 15, tzinfo=UTC))
    scheduler.look(tick(Month(2019, 5)) + SOON)
    assert loaded(scheduler.runs()) == ["2019-02", "2019-05"]


@pytest.mark.parametrize("recover", ["ALL", "LAST", "NONE"])
def test_downtime_is_made_up_for_as_kestra_does(
    start: Start, flow: Flow, published: Publish, shared_dir: Path, recover: str
) -> None:
    """The real engine's ten-second ticks, each told as a month: the third is the last before the downtime."""
    truth = json.loads((shared_dir / "kestra-truth" / "missed-schedules.json").read_text())
    first = datetime.fromisoformat(truth["recover"]["all"][0]["trigger"]["date"])
    wanted = months("2019-01", "2020-12")

    def month_of(date: str) -> Month:
        return wanted[round((datetime.fromisoformat(date) - first).total_seconds() / 10)]

    executions = truth["recover"][recover.lower()]
    back = min(datetime.fromisoformat(e["start"]) for e in truth["recover"]["all"] if e["start"] > truth["start"])
    ticks = [month_of(e["trigger"]["date"]) for e in truth["recover"]["all"]]
    alive = [m for m, e in zip(ticks, truth["recover"]["all"], strict=True) if e["trigger"]["date"] < truth["stop"]]
    after = [m for m in ticks if m not in alive and m > month_of(back.replace(second=30).isoformat())]

    scheduler = start(TAXI_SOURCE_URL=published(wanted), TAXI_RECOVER_MISSED_SCHEDULES=recover)
    scheduler.switch(flow.schedule("green"), on=True, at=tick(wanted[0]) - SOON)
    for month in alive:
        scheduler.look(tick(month) + SOON)
    scheduler.look(tick(after[0]) - timedelta(days=10))  # the daemon is back
    for month in after:
        scheduler.look(tick(month) + SOON)
    runs = scheduler.runs()
    assert [Month.parse(m) for m in loaded(runs)] == [month_of(e["trigger"]["date"]) for e in executions]
    for run, execution in zip(runs, executions, strict=True):
        for which, date in execution["trigger"].items():
            if datetime.fromisoformat(date) >= first:
                assert datetime.fromisoformat(run.tags[f"trigger.{which}"]) == tick(month_of(date)), which


def test_all_is_the_default(start: Start, flow: Flow, published: Publish) -> None:
    scheduler = start(TAXI_SOURCE_URL=published(months("2019-01", "2019-12")))
    scheduler.switch(flow.schedule("green"), on=True, at=datetime(2019, 1, 15, tzinfo=UTC))
    scheduler.look(datetime(2019, 6, 15, tzinfo=UTC))
    assert loaded(scheduler.runs()) == ["2019-02", "2019-03", "2019-04", "2019-05", "2019-06"]


@pytest.mark.parametrize("point", ["TICK_CREATED", "RUN_CREATED", "RUN_LAUNCHED", "RUN_ADDED", "TICK_SUCCESS"])
@pytest.mark.parametrize("next_look", [timedelta(minutes=1), timedelta(days=31)])
def test_no_month_is_lost_or_asked_for_twice_when_the_scheduler_dies(
    start: Start, flow: Flow, published: Publish, point: str, next_look: timedelta
) -> None:
    scheduler = start(TAXI_SOURCE_URL=published(months("2019-01", "2019-12")))
    scheduler.switch(flow.schedule("green"), on=True, at=datetime(2019, 1, 15, tzinfo=UTC))
    back = datetime(2019, 4, 15, tzinfo=UTC)

    class DiedError(Exception):
        pass

    import dagster._scheduler.scheduler as module

    seen = 0

    def die(_flags: object, key: str) -> None:
        nonlocal seen
        seen += key == point
        # In the middle of the three runs, where the point is met once for each.
        if seen == (2 if point.startswith("RUN") else 1) and key == point:
            raise DiedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "check_for_debug_crash", die)
        # Dagster turns errors into failed ticks; a killed process writes nothing more.
        patch.setattr(module._ScheduleLaunchContext, "update_state", lambda *_a, **_k: None)
        scheduler.look(back)
    assert seen
    assert scheduler.last_tick(flow.schedule("green")).status == TickStatus.STARTED
    scheduler.look(back + next_look)
    submitted = [run for run in scheduler.runs() if run.status.value != "NOT_STARTED"]
    expected = ["2019-02", "2019-03", "2019-04"] + (["2019-05"] if next_look > timedelta(days=1) else [])
    assert sorted(loaded(submitted)) == expected


def test_unpublished_month_is_skipped_naming_the_last_published_one(
    start: Start, flow: Flow, published: Publish
) -> None:
    scheduler = start(TAXI_SOURCE_URL=published(months("2019-01", "2019-03")), TAXI_LAST_MONTH="2019-05")
    scheduler.switch(flow.schedule("green"), on=True, at=datetime(2019, 4, 15, tzinfo=UTC))
    scheduler.look(tick(Month(2019, 5)) + SOON)
    skipped = scheduler.last_tick(flow.schedule("green"))
    assert skipped.status == TickStatus.SKIPPED
    assert "green 2019-05 is not published: the last published month is 2019-03" in str(skipped.skip_reason)
    scheduler.look(tick(Month(2019, 6)) + SOON)
    reason = str(scheduler.last_tick(flow.schedule("green")).skip_reason)
    assert "green 2019-06 is not published: the last published month is 2019-05 (TAXI_LAST_MONTH)" in reason
    assert scheduler.runs() == []


def test_published_months_of_a_downtime_are_loaded_beside_unpublished_ones(
    start: Start, flow: Flow, published: Publish
) -> None:
    scheduler = start(TAXI_SOURCE_URL=published(months("2019-01", "2019-03")), TAXI_LAST_MONTH="2019-05")
    scheduler.switch(flow.schedule("green"), on=True, at=datetime(2019, 1, 15, tzinfo=UTC))
    scheduler.look(datetime(2019, 8, 15, tzinfo=UTC))
    assert loaded(scheduler.runs()) == ["2019-02", "2019-03"]


def test_source_that_does_not_answer_is_left_to_the_run(start: Start, flow: Flow, tmp_path: Path) -> None:
    scheduler = start(TAXI_SOURCE_URL=(tmp_path / "unmounted").as_uri())
    scheduler.switch(flow.schedule("yellow"), on=True, at=datetime(2019, 1, 15, tzinfo=UTC))
    scheduler.look(tick(Month(2019, 2), 10) + SOON)
    assert loaded(scheduler.runs()) == ["2019-02"]


def test_source_that_says_nothing_is_asked_once(start: Start, flow: Flow) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        scheduler = start(TAXI_SOURCE_URL=url, TAXI_HTTP_TIMEOUT="0.5", NO_PROXY="127.0.0.1")
        scheduler.switch(flow.schedule("green"), on=True, at=datetime(2019, 1, 15, tzinfo=UTC))
        scheduler.look(tick(Month(2019, 4)) + SOON)
        mute.accept()[0].close()
        mute.settimeout(0)
        with pytest.raises(BlockingIOError):
            mute.accept()
    assert loaded(scheduler.runs()) == ["2019-02", "2019-03", "2019-04"]


def test_a_run_of_the_other_flow_is_not_taken_for_a_missed_tick_s(start: Start, published: Publish) -> None:
    scheduler = start(TAXI_SOURCE_URL=published(months("2019-01", "2019-12")))
    scheduler.switch(POSTGRES.schedule("green"), on=True, at=datetime(2019, 1, 15, tzinfo=UTC))
    scheduler.look(datetime(2019, 3, 15, tzinfo=UTC))
    scheduler.switch(GCP.schedule("green"), on=True, at=datetime(2019, 1, 15, tzinfo=UTC))
    scheduler.look(datetime(2019, 4, 15, tzinfo=UTC))
    for flow in (POSTGRES, GCP):
        assert loaded(scheduler.runs(flow.schedule("green"))) == ["2019-02", "2019-03", "2019-04"]
