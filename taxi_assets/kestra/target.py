"""Where a flow runs: the namespace it lives in, the host its files come from and the database it writes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from taxi_assets.settings import PUBLIC_RELEASE


@dataclass(frozen=True, slots=True)
class Target:
    """The defaults are those of the course's compose file."""

    namespace: str = "zoomcamp"
    source: str = PUBLIC_RELEASE
    jdbc_url: str = "jdbc:postgresql://pgdatabase:5432/ny_taxi"
    username: str = "root"
    password: str = field(default="root", repr=False)

    def plugin_defaults(self) -> list[dict[str, Any]]:
        return [
            {
                "type": "io.kestra.plugin.jdbc.postgresql",
                "values": {"url": self.jdbc_url, "username": self.username, "password": self.password},
            }
        ]
