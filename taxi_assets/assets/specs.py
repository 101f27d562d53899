"""What the assets of every warehouse tell Dagster alike."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from dagster import AssetKey, AssetSpec, BackfillPolicy

from taxi_assets.assets.metadata import Metadata
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset


@dataclass(frozen=True, slots=True)
class Described:
    """One of a taxi's assets."""

    key: AssetKey
    deps: Sequence[AssetKey]
    kinds: set[str]
    description: str
    metadata: Metadata = field(default_factory=dict)


def asset_specs(dataset: Dataset, group: str, code_version: str, described: Sequence[Described]) -> list[AssetSpec]:
    """A warehouse's assets of a taxi."""
    return [
        AssetSpec(
            each.key,
            deps=each.deps,
            description=each.description,
            group_name=group,
            owners=["team:taxi_assets"],
            kinds=each.kinds,
            code_version=code_version,
            metadata=each.metadata,
            tags={"taxi": dataset.taxi},
            skippable=True,  # months report themselves; the step returns nothing
        )
        for each in described
    ]


def backfill_policy(settings: Settings) -> BackfillPolicy:
    """How the UI splits a range of months. A process for each run costs seconds before it does anything."""
    if settings.backfill_policy == "per_month":
        return BackfillPolicy.multi_run(max_partitions_per_run=1)
    return BackfillPolicy.single_run()
