"""The two trip datasets, yellow and green: the single source of truth about their columns.

Tables, SQL, BigQuery schemas, asset metadata and the Kestra flows are all written from what stands here, so a
column is spelled once. Names, order and types are those of the published CSV files and of the course flows
04_postgres_taxi (PostgreSQL) and 08_gcp_taxi (BigQuery); meanings follow TLC's trip record data dictionaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from taxi_assets.errors import MonthError
from taxi_assets.trips.months import Month


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a trip table."""

    name: str
    """As the CSV header spells it. PostgreSQL folds it to lower case (`sql_name`)."""
    postgres: str
    bigquery: str
    description: str

    @property
    def sql_name(self) -> str:
        return self.name.lower()


def _text(name: str, description: str) -> Column:
    return Column(name, "text", "STRING", description)


def _timestamp(name: str, description: str) -> Column:
    return Column(name, "timestamp without time zone", "TIMESTAMP", description)


def _integer(name: str, description: str) -> Column:
    return Column(name, "integer", "INTEGER", description)


def _number(name: str, description: str) -> Column:
    return Column(name, "double precision", "NUMERIC", description)


UNIQUE_ROW_ID = Column(
    "unique_row_id", "text", "BYTES", "MD5 over the columns that tell one trip from another; the merge matches on it."
)
FILENAME = _text("filename", "Name of the CSV file that brought the row first, e.g. green_tripdata_2020-04.csv.")

_VENDOR = _text("VendorID", "Technology provider: 1 Creative Mobile Technologies, 2 VeriFone. Empty for some of 2020.")
_PASSENGERS = _integer("passenger_count", "Passengers, as entered by the driver.")
_DISTANCE = _number("trip_distance", "Miles travelled, by the taximeter.")
_RATE_CODE = _text(
    "RatecodeID",
    "Rate at the end of the trip: 1 standard, 2 JFK, 3 Newark, 4 Nassau or Westchester, 5 negotiated, 6 group; "
    "99 unknown.",
)
_STORE_AND_FWD = _text("store_and_fwd_flag", "Y when the record waited in the vehicle for a connection, else N.")
_PICKUP_ZONE = _text("PULocationID", "TLC taxi zone of the pickup; 264 and 265 are unknown.")
_DROPOFF_ZONE = _text("DOLocationID", "TLC taxi zone of the dropoff; 264 and 265 are unknown.")
_PAYMENT = _integer("payment_type", "1 credit card, 2 cash, 3 no charge, 4 dispute, 5 unknown, 6 voided.")
_FARE = _number("fare_amount", "Dollars for time and distance, by the meter; negative for corrections.")
_EXTRA = _number("extra", "Dollars of rush-hour, overnight and other extras.")
_MTA_TAX = _number("mta_tax", "Dollars of MTA tax.")
_TIP = _number("tip_amount", "Dollars of tip paid by card; cash tips are not recorded.")
_TOLLS = _number("tolls_amount", "Dollars of tolls.")
_EHAIL = _number("ehail_fee", "Dollars of e-hail fee; always empty in the published files.")
_IMPROVEMENT = _number("improvement_surcharge", "Dollars of improvement surcharge, 0.30 since 2015.")
_TOTAL = _number("total_amount", "Dollars charged in all, without cash tips.")
_TRIP_TYPE = Column("trip_type", "integer", "STRING", "1 street hail, 2 dispatch; sometimes empty.")
_CONGESTION = _number("congestion_surcharge", "Dollars of congestion surcharge.")


@dataclass(frozen=True, slots=True)
class Dataset:
    """The trips of one kind of taxi: one CSV file a month, one staging and one trips table in a warehouse."""

    taxi: str
    cron: str
    """When the scheduled flow loads the month it runs in, five fields."""
    pickup: Column
    dropoff: Column
    columns: tuple[Column, ...]
    """The CSV's columns, in the order of its header."""

    def file_name(self, month: Month) -> str:
        """The CSV's name inside the archive, the row's `filename` and the run's `file` label."""
        return f"{self.taxi}_tripdata_{month}.csv"

    @property
    def table(self) -> str:
        return f"{self.taxi}_tripdata"

    @property
    def staging_table(self) -> str:
        return f"{self.taxi}_tripdata_staging"

    @property
    def header(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def table_columns(self) -> tuple[Column, ...]:
        """The columns of both warehouse tables: the id and the file name, then the file's own."""
        return (UNIQUE_ROW_ID, FILENAME, *self.columns)

    @property
    def postgres_id_columns(self) -> tuple[Column, ...]:
        """The seven columns whose text the PostgreSQL id hashes, in that order."""
        return (*self.bigquery_id_columns, _FARE, _DISTANCE)

    @property
    def bigquery_id_columns(self) -> tuple[Column, ...]:
        """The five columns whose text the BigQuery id hashes, in that order."""
        return (_VENDOR, self.pickup, self.dropoff, _PICKUP_ZONE, _DROPOFF_ZONE)


def _yellow() -> Dataset:
    pickup = _timestamp("tpep_pickup_datetime", "When the meter was engaged, New York time.")
    dropoff = _timestamp("tpep_dropoff_datetime", "When the meter was disengaged, New York time.")
    trip = (_VENDOR, pickup, dropoff, _PASSENGERS, _DISTANCE, _RATE_CODE, _STORE_AND_FWD, _PICKUP_ZONE, _DROPOFF_ZONE)
    money = (_PAYMENT, _FARE, _EXTRA, _MTA_TAX, _TIP, _TOLLS, _IMPROVEMENT, _TOTAL, _CONGESTION)
    return Dataset("yellow", "0 10 1 * *", pickup, dropoff, trip + money)


def _green() -> Dataset:
    pickup = _timestamp("lpep_pickup_datetime", "When the meter was engaged, New York time.")
    dropoff = _timestamp("lpep_dropoff_datetime", "When the meter was disengaged, New York time.")
    trip = (_VENDOR, pickup, dropoff, _STORE_AND_FWD, _RATE_CODE, _PICKUP_ZONE, _DROPOFF_ZONE, _PASSENGERS, _DISTANCE)
    money = (_FARE, _EXTRA, _MTA_TAX, _TIP, _TOLLS, _EHAIL, _IMPROVEMENT, _TOTAL, _PAYMENT, _TRIP_TYPE, _CONGESTION)
    return Dataset("green", "0 9 1 * *", pickup, dropoff, trip + money)


DATASETS: Mapping[str, Dataset] = MappingProxyType({"yellow": _yellow(), "green": _green()})
"""By taxi."""


def dataset(taxi: str) -> Dataset:
    """The dataset of a taxi. Raises MonthError naming the taxis there are."""
    try:
        return DATASETS[taxi]
    except KeyError:
        raise MonthError(f"unknown taxi {taxi!r}: choose {' or '.join(DATASETS)}") from None
