"""Bucket and dataset, made where they are missing; what is there is left exactly as it is."""

from __future__ import annotations

from dataclasses import dataclass

from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.refusals import told_plainly


@dataclass(frozen=True, slots=True)
class Made:
    """A bucket or dataset, and whether it was made now."""

    what: str
    location: str
    made: bool

    def __str__(self) -> str:
        return f"{self.what} {'made' if self.made else 'is there already, left as it is'}, in {self.location}"


def set_up(clients: Clients) -> list[Made]:
    """Make the bucket, where GCP_BUCKET_NAME is set, and the dataset. Raises GoogleError."""
    bucket = clients.target.find_bucket()
    made = [_bucket(clients, bucket)] if bucket else []
    return [*made, _dataset(clients)]


def _bucket(clients: Clients, name: str) -> Made:
    from google.api_core.exceptions import Conflict

    with told_plainly(f"making bucket {name} (its name must be nobody else's: GCP_BUCKET_NAME)"):
        found = clients.storage.lookup_bucket(name, **clients.storage_patience)
        if found is None:
            bucket = clients.storage.bucket(name)
            bucket.storage_class = _storage_class(clients.target.location)
            try:
                made = clients.storage.create_bucket(
                    bucket, location=clients.target.location, **clients.storage_patience
                )
                return Made(f"bucket {name}", made.location or clients.target.location, made=True)
            except Conflict:  # another run made it meanwhile, or it is somebody else's: then this is refused
                found = clients.storage.get_bucket(name, **clients.storage_patience)
        return Made(f"bucket {name}", found.location or "an unknown place", made=False)


def _storage_class(location: str) -> str:
    """As the flow asks for it in a region, such as europe-west2; Google refuses that for several, such as EU."""
    return "REGIONAL" if "-" in location else "STANDARD"


def _dataset(clients: Clients) -> Made:
    from google.api_core.exceptions import Conflict, NotFound
    from google.cloud import bigquery

    what = f"dataset {clients.display}"
    with told_plainly(f"making {what}"):
        try:
            found = clients.bigquery.get_dataset(clients.display, **clients.patience)
            return Made(what, found.location, made=False)
        except NotFound:
            wanted = bigquery.Dataset(clients.display)
            wanted.location = clients.target.location
        try:
            made = clients.bigquery.create_dataset(wanted, **clients.patience)
            return Made(what, made.location, made=True)
        except Conflict:
            return Made(what, clients.bigquery.get_dataset(clients.display, **clients.patience).location, made=False)
