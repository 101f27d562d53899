"""The key-value store: settings by namespace, with the meaning that Kestra gives them.

A namespace sees its own keys and those of the namespaces above it (`zoomcamp.team` sees `zoomcamp`'s), the nearest
first. Setting a key replaces its value. No secret is kept here, since whoever reads the database reads it.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from taxi_assets.errors import MissingKeyError, SettingsError
from taxi_assets.postgres.connection import Warehouse, statement
from taxi_assets.postgres.own import is_there, own_table

_NAMESPACE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*(\.[a-zA-Z0-9_-]+)*")
_KEY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
_SECRET_KEY = re.compile(r"secret_.*|.*(creds|credentials|service_account|private_key|password)", re.IGNORECASE)
_SECRET_VALUE = re.compile(r'PRIVATE KEY|"private_key"|"type"\s*:\s*"service_account"')
_TABLE = "key_values"


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A key as a namespace sees it."""

    namespace: str
    """Where it was set: the namespace asked for, or one above it."""
    key: str
    value: str


class KeyValueStore:
    """The keys of a warehouse, seen from one namespace."""

    def __init__(self, warehouse: Warehouse, namespace: str) -> None:
        """Raises SettingsError for a namespace that cannot be one."""
        if not _NAMESPACE.fullmatch(namespace):
            raise SettingsError(f"{namespace!r} is not a namespace: write words joined by dots, such as zoomcamp")
        self._warehouse = warehouse
        self.namespace = namespace

    def set(self, key: str, value: str, *, overwrite: bool = True) -> None:
        """Keep a value under a key. Raises SettingsError for a secret, a bad name, or a key that is not to be lost."""
        _check_name(key)
        _refuse_secret(key, value)
        values = {"namespace": self.namespace, "key": key, "value": value, "overwrite": overwrite}
        with (
            self._warehouse.connect("taxi_assets kv") as connection,
            own_table(connection, _TABLE, f"setting {key}"),
        ):
            written = connection.execute(statement("kv_set.sql").as_string(connection), values).rowcount
        if not written:
            raise SettingsError(f"{key} is set in namespace {self.namespace} already: leave it, or overwrite it")

    def get(self, key: str) -> str:
        """The value of a key. Raises MissingKeyError naming key and namespace."""
        _check_name(key)
        found = self._seen(key)
        if not found:
            raise MissingKeyError(
                f"namespace {self.namespace} and those above it have no key {key}: set it with: "
                f"taxi-assets kv set --namespace {self.namespace} {key} VALUE"
            )
        return found[0].value

    def visible(self) -> list[KeyValue]:
        """Every key that the namespace sees, by name, each once."""
        nearest: dict[str, KeyValue] = {}
        for found in self._seen(None):
            nearest.setdefault(found.key, found)
        return list(nearest.values())

    def delete(self, key: str) -> bool:
        """Forget a key of this very namespace; False when it has none."""
        with self._warehouse.connect("taxi_assets kv") as connection:
            if not is_there(connection, _TABLE):
                return False
            with own_table(connection, _TABLE, f"removing {key}"):
                sql = "DELETE FROM taxi_assets.key_values WHERE namespace = %s AND key = %s"
                return connection.execute(sql, [self.namespace, key]).rowcount > 0

    def _seen(self, key: str | None) -> list[KeyValue]:
        parts = self.namespace.split(".")
        namespaces = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
        with self._warehouse.connect("taxi_assets kv") as connection:
            if not is_there(connection, _TABLE):
                return []
            query = statement("kv_get.sql").as_string(connection)
            with own_table(connection, _TABLE, "reading keys"):
                rows = connection.execute(query, {"namespaces": namespaces, "key": key}).fetchall()
        return [KeyValue(*row) for row in rows]


def _check_name(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise SettingsError(f"{key!r} is not a key: write letters, digits, dots, underscores and hyphens")


def _refuse_secret(key: str, value: str) -> None:
    if _SECRET_KEY.fullmatch(key) or _SECRET_VALUE.search(value) or _SECRET_VALUE.search(_decoded(value)):
        raise SettingsError(
            f"{key} looks like a secret, and whoever reads the database would read it: set it in the environment as "
            "SECRET_GCP_CREDS, the base64 of the service account's JSON key (base64 -w 0 key.json)"
        )


def _decoded(value: str) -> str:
    """What the value says if it is base64, in either alphabet, with or without padding."""
    try:
        return base64.b64decode(value.translate({ord("-"): "+", ord("_"): "/"}) + "==").decode(errors="replace")
    except ValueError:
        return ""
