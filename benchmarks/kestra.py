"""A real Kestra, where its address is given: flow 04 as it is deployed there, timed by the server itself."""

from __future__ import annotations

import os

from benchmarks.ground import Ground
from benchmarks.measure import Findings, Timing
from taxi_assets.errors import KestraError
from taxi_assets.kestra.client import KestraClient
from taxi_assets.trips.months import Month, months_between

_NAMESPACE = "zoomcamp"
_FLOW = "04_postgres_taxi"
_MONTHS = list(months_between(Month(2020, 4), Month(2020, 9)))
_LONGEST = 600.0


def kestra(ground: Ground) -> Findings:
    """Executions of flow 04 for six green months, one after another; user and password from KESTRA_USER, _PASSWORD.

    The server downloads the months itself and writes to its own database, so this stands beside `taxi-assets
    backfill` of the same months and not beside a load from the disk.
    """
    url = ground.options.kestra_url
    if url is None:
        return Findings(skipped={"kestra": "no --kestra-url given"})
    try:
        with KestraClient(url, os.environ.get("KESTRA_USER"), os.environ.get("KESTRA_PASSWORD")) as client:
            seconds = [sum(_execution(client, month) for month in _MONTHS) for _ in range(ground.options.rounds)]
    except KestraError as error:
        return Findings(skipped={"kestra": str(error)})
    return Findings(timings=[Timing("six green months, whole process", "Kestra", 0, seconds, "flow 04, real months")])


def _execution(client: KestraClient, month: Month) -> float:
    inputs = {"taxi": "green", "year": f"{month.year}", "month": f"{month.month:02d}"}
    ended = client.follow(client.execute(_NAMESPACE, _FLOW, inputs).id, _LONGEST)
    if ended.state != "SUCCESS" or ended.seconds is None:
        raise KestraError(f"execution {ended.id} of {_FLOW} for green {month} ended as {ended.state}")
    return ended.seconds
