"""The errors that a person meets. Each message is one line: what happened, to what, and what to do."""

from __future__ import annotations


class TaxiAssetsError(Exception):
    """Base of every error this project raises on purpose."""


class SettingsError(TaxiAssetsError):
    """A setting or an argument has a value that cannot be used."""


class MonthError(TaxiAssetsError):
    """A taxi or a month that this project does not know, or none where one is needed."""


class SourceError(TaxiAssetsError):
    """The source of the files cannot be reached, or gave something that is not the file."""


class UnreachableError(SourceError):
    """The source does not answer, or only with faults of its own, however often it is asked."""


class NotPublishedError(SourceError):
    """The source answers, and has no file for the month."""


class FileError(TaxiAssetsError):
    """A trip file that is not what it should be: damaged, wrong header, or a value that does not fit its column."""


class DiskError(TaxiAssetsError):
    """A file cannot be written: the disk is full, or the folder refuses."""


class HeaderError(FileError):
    """A trip file whose first line does not name the dataset's columns."""


class WarehouseError(TaxiAssetsError):
    """The database cannot be reached, refuses, or holds something that does not fit."""


class UnavailableError(WarehouseError):
    """The database does not answer, or went away in the middle of something: another try may help."""


class BusyError(WarehouseError):
    """Another session holds a lock for longer than the setting allows."""


class KestraError(TaxiAssetsError):
    """A Kestra server cannot be reached or refuses, or a flow cannot be read, replayed or run to its end."""


class KestraSilentError(KestraError):
    """A Kestra server, or what stands before it, does not answer; it may in a moment."""


class MissingKeyError(SettingsError):
    """A key that neither the environment nor the key-value store has."""


class GoogleError(WarehouseError):
    """BigQuery or Cloud Storage cannot be reached, refuses, or does not have what is needed."""


class ServiceError(TaxiAssetsError):
    """One of Dagster's own processes does not start, or is not as it should be."""
