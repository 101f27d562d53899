"""Where a flow runs: the namespace it lives in, the host its files come from and the database it writes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from taxi_assets.settings import PUBLIC_RELEASE


@dataclass(frozen=True, slots=True)
class Target:
    """The defaults are those of the course's compose file, unless the Kestra server's environment says otherwise.

    They are asked of the environment (`ENV_…`), and not forced by the server's `kestra.plugins.defaults`: those would
    reach every flow that logs in to any PostgreSQL, a comparison's and people's own.
    """

    namespace: str = "zoomcamp"
    source: str = PUBLIC_RELEASE
    jdbc_url: str = "{{ envs.ny_taxi_url ?? 'jdbc:postgresql://pgdatabase:5432/ny_taxi' }}"
    username: str = "{{ envs.ny_taxi_user ?? 'root' }}"
    password: str = field(default="{{ envs.ny_taxi_password ?? 'root' }}", repr=False)

    def plugin_defaults(self) -> list[dict[str, Any]]:
        return [
            {
                "type": "io.kestra.plugin.jdbc.postgresql",
                "values": {"url": self.jdbc_url, "username": self.username, "password": self.password},
            }
        ]
