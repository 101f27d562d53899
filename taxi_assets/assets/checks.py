"""Asset checks. The blocking ones are settled before trips is touched; the others tell a person what to look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from dagster import AssetCheckEvaluation, AssetCheckSeverity, AssetCheckSpec, AssetKey, PartitionsDefinition

from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month

_HEADER = "header_equals_definition"
_ROWS = "staging_rows_equal_file"
_OUTSIDE = "pickups_outside_month"
_VENDOR = "rows_without_vendor"
_REPEATED = "repeated_ids"
_USUAL_OUTSIDE = 0.01
_USUAL_WITHOUT_VENDOR = 0.5


class LoadFigures(Protocol):
    """What the checks look at of a month's load into any warehouse. Counts are rows."""

    @property
    def header(self) -> tuple[str, ...]: ...
    @property
    def rows_read(self) -> int: ...
    @property
    def rows_outside_month(self) -> int: ...
    @property
    def rows_without_vendor(self) -> int: ...
    @property
    def repeated_ids(self) -> int: ...


def check_specs(asset: AssetKey, partitions: PartitionsDefinition) -> list[AssetCheckSpec]:
    """The checks of the asset that holds a taxi's month before it is merged."""
    described = {
        _HEADER: "The file's header has exactly the definition's columns, in any order. Stops the load.",
        _ROWS: "The table holds as many rows as the file has data rows. Stops the load.",
        _OUTSIDE: f"At most {_USUAL_OUTSIDE:.0%} of the pickups lie outside the file's month.",
        _VENDOR: f"At most {_USUAL_WITHOUT_VENDOR:.0%} of the rows have no VendorID.",
        _REPEATED: "No two rows of the file have the same id; the merge inserts such rows all the same.",
    }
    return [
        AssetCheckSpec(
            name,
            asset=asset,
            description=description,
            blocking=name in (_HEADER, _ROWS),
            partitions_def=partitions,
        )
        for name, description in described.items()
    ]


def evaluate(asset: AssetKey, dataset: Dataset, month: Month, load: LoadFigures) -> Iterator[AssetCheckEvaluation]:
    """Every check of a month that was loaded, so the blocking ones have passed."""
    header = {"columns": len(load.header), "columns_in_another_order": load.header != dataset.header}
    shares = {
        _OUTSIDE: (load.rows_outside_month, _USUAL_OUTSIDE),
        _VENDOR: (load.rows_without_vendor, _USUAL_WITHOUT_VENDOR),
        _REPEATED: (load.repeated_ids, 0.0),
    }
    yield _evaluation(asset, month, _HEADER, passed=True, metadata=header)
    yield _evaluation(asset, month, _ROWS, passed=True, metadata={"rows": load.rows_read})
    for name, (rows, limit) in shares.items():
        share = rows / load.rows_read
        yield _evaluation(asset, month, name, passed=share <= limit, metadata={"rows": rows, "share": share})


def failed_file(asset: AssetKey, month: Month, reason: str) -> AssetCheckEvaluation:
    """The blocking check that a damaged or odd file fails."""
    name = _HEADER if "header" in reason else _ROWS
    return _evaluation(asset, month, name, passed=False, metadata={"reason": reason}, severity=AssetCheckSeverity.ERROR)


def _evaluation(
    asset: AssetKey,
    month: Month,
    name: str,
    *,
    passed: bool,
    metadata: dict[str, Any],
    severity: AssetCheckSeverity = AssetCheckSeverity.WARN,
) -> AssetCheckEvaluation:
    return AssetCheckEvaluation(
        asset_key=asset,
        check_name=name,
        passed=passed,
        metadata=metadata,
        severity=severity,
        blocking=name in (_HEADER, _ROWS),
        partition=str(month),
    )
