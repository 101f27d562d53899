"""What a warehouse holds of a month's file, told in such a way that two warehouses tell the same of the same rows.

A row is told without its id, which warehouses compute from different columns, and without the file's name: the columns
that BigQuery's id is made of first, then the others. Each is text: a number with nine decimals, as many as a NUMERIC
of BigQuery's has, a time as `2020-04-01 00:44:02+00`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from taxi_assets.trips.datasets import Column, Dataset

Row: TypeAlias = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """The rows of one file: how many, how many of their ids stand there already, and a checksum over all of them.

    The checksum is the sum of the first four bytes of each row's MD5, over its columns' text joined by `|`, NULL as
    `\\N`. It depends on no order.
    """

    rows: int
    repeated_ids: int
    checksum: int


NOTHING = Contents(0, 0, 0)


def compared_columns(dataset: Dataset) -> tuple[Column, ...]:
    """The columns of a row, in the order in which it is told."""
    own = dataset.bigquery_id_columns
    return (*own, *(column for column in dataset.columns if column not in own))
