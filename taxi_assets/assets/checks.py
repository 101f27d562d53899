"""Asset checks. The blocking ones are settled before trips is touched; the others tell a person what to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetRecordsFilter,
    DagsterInstance,
    PartitionsDefinition,
)
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

from taxi_assets.errors import FileError, HeaderError
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.figures import LoadFigures
from taxi_assets.trips.months import Month

_HEADER = "header_equals_definition"
_ROWS = "staging_rows_equal_file"
_OUTSIDE = "pickups_outside_month"
_VENDOR = "rows_without_vendor"
_REPEATED = "repeated_ids"
_USUAL_OUTSIDE = 0.01
_USUAL_WITHOUT_VENDOR = 0.5


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


def evaluate(
    instance: DagsterInstance, asset: AssetKey, dataset: Dataset, month: Month, load: LoadFigures
) -> Iterator[AssetCheckEvaluation]:
    """Every check of a month that was loaded, so the blocking ones have passed. Its materialization comes first."""
    about = _Subject.of(instance, asset, month)
    header = {"columns": len(load.header), "columns_in_another_order": load.header != dataset.header}
    shares = {
        _OUTSIDE: (load.rows_outside_month, _USUAL_OUTSIDE),
        _VENDOR: (load.rows_without_vendor, _USUAL_WITHOUT_VENDOR),
        _REPEATED: (load.repeated_ids, 0.0),
    }
    yield about.evaluation(_HEADER, passed=sorted(load.header) == sorted(dataset.header), metadata=header)
    yield about.evaluation(_ROWS, passed=True, metadata={"rows": load.rows_read})
    for name, (rows, limit) in shares.items():
        share = rows / load.rows_read
        yield about.evaluation(name, passed=share <= limit, metadata={"rows": rows, "share": round(share, 6)})


def failed_file(instance: DagsterInstance, asset: AssetKey, month: Month, error: FileError) -> AssetCheckEvaluation:
    """The blocking check that a damaged or odd file fails."""
    name = _HEADER if isinstance(error, HeaderError) else _ROWS
    reason = {"reason": str(error)}
    about = _Subject.of(instance, asset, month)
    return about.evaluation(name, passed=False, metadata=reason, severity=AssetCheckSeverity.ERROR)


def last_materialization(
    instance: DagsterInstance, asset: AssetKey, partition: str
) -> AssetCheckEvaluationTargetMaterializationData | None:
    """What a check of a partition points to. It counts only as long as this is the partition's last materialization.

    Dagster fills it in for a step's own partition alone, and a run over a range has none.
    """
    of_partition = AssetRecordsFilter(asset, asset_partitions=[partition])
    for last in instance.fetch_materializations(of_partition, limit=1).records:
        return AssetCheckEvaluationTargetMaterializationData(
            storage_id=last.storage_id, run_id=last.run_id, timestamp=last.timestamp
        )
    return None


@dataclass(frozen=True, slots=True)
class _Subject:
    """The month of an asset that checks are about."""

    asset: AssetKey
    month: Month
    target: AssetCheckEvaluationTargetMaterializationData | None

    @classmethod
    def of(cls, instance: DagsterInstance, asset: AssetKey, month: Month) -> _Subject:
        return cls(asset, month, last_materialization(instance, asset, str(month)))

    def evaluation(
        self,
        name: str,
        *,
        passed: bool,
        metadata: dict[str, Any],
        severity: AssetCheckSeverity = AssetCheckSeverity.WARN,
    ) -> AssetCheckEvaluation:
        return AssetCheckEvaluation(
            asset_key=self.asset,
            check_name=name,
            passed=passed,
            metadata=metadata,
            severity=severity,
            blocking=name in (_HEADER, _ROWS),
            partition=str(self.month),
            target_materialization_data=self.target,
        )
