"""The process that answers as BigQuery and Cloud Storage: bqemulator (on DuckDB) and gcp-storage-emulator.

Both are used as released, with three things changed:
- bqemulator starts without DuckDB's extension for geography, which it would fetch from the internet;
- it answers one request at a time: its threads share one connection to DuckDB, which refuses to be shared;
- an external table gets its rows: those of the CSV, read when the table is made rather than at each query.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import logging
import signal
from pathlib import Path
from typing import Any

import sqlglot
from bqemulator import server as bigquery_server
from bqemulator.api.app import create_app
from bqemulator.config import LogLevel, PersistenceMode, Settings
from bqemulator.domain.errors import InvalidQueryError
from bqemulator.jobs import executor
from bqemulator.storage.engine import DuckDBEngine
from bqemulator.storage.sql_identifiers import quoted_table_ref
from gcp_storage_emulator.server import create_server
from sqlglot import expressions as exp

_run_single_sql = executor._run_single_sql


class _OneAtATime:
    """ASGI middleware: a request waits until the one before it is answered."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        async with self._lock:
            await self._app(scope, receive, send)


def _app_of_one_request_at_a_time(*args: Any) -> Any:
    app = create_app(*args)
    app.add_middleware(_OneAtATime)
    return app


async def _run_with_external_tables(project_id: str, bq_sql: str, *args: Any, **kwargs: Any) -> Any:
    result = await _run_single_sql(project_id, bq_sql, *args, **kwargs)
    if "EXTERNAL" in bq_sql[:60].upper():
        _fill(project_id, bq_sql, args[1])
    return result


def _fill(project_id: str, bq_sql: str, context: Any) -> None:
    """Read the CSV of a `CREATE EXTERNAL TABLE` that was just made into it; empty cells are NULL."""
    statement = sqlglot.parse_one(bq_sql, read="bigquery")
    table = statement.find(exp.Table)
    uris = next(p.args["value"] for p in statement.find_all(exp.Property) if p.name.lower() == "uris")
    if table is None:
        raise ValueError(f"no table in {bq_sql}")
    target = quoted_table_ref(table.catalog or project_id, table.db, table.name)
    for uri in uris.expressions:
        path = executor._resolve_uri(uri.name, context)
        if not Path(path).exists():
            raise InvalidQueryError(f"Not found: URI {uri.name}")
        with Path(path).open(encoding="utf-8") as file:
            names = next(csv.reader(file))
        columns = ", ".join(f"'{index}': 'VARCHAR'" for index in range(len(names)))
        cells = ", ".join(f'"{index}"' for index in range(len(names)))
        context.engine.execute(
            f"INSERT INTO {target} SELECT {cells} FROM read_csv(?, header = true, columns = {{{columns}}})",  # noqa: S608
            [path],
        )


async def _serve(folder: Path) -> None:
    storage = create_server("127.0.0.1", 0, data_dir=str(folder))
    storage.start()
    settings = Settings(
        rest_port=0,
        grpc_port=0,
        persistence_mode=PersistenceMode.EPHEMERAL,
        gcs_local_root=folder / ".cloudstorage",
        log_level=LogLevel.CRITICAL,
    )
    bigquery = bigquery_server.EmulatorServer(settings)
    await bigquery.start()
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    storage_port = storage._api._httpd.server_address[1]
    print(json.dumps({"bigquery": bigquery.rest_url, "storage": f"http://127.0.0.1:{storage_port}"}), flush=True)
    await stopped.wait()
    await bigquery.stop()
    storage.stop()


def main() -> None:
    """Serve until SIGTERM; the first line on stdout is JSON with the two URLs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="where the objects are kept")
    folder = parser.parse_args().folder.resolve()
    logging.getLogger().setLevel(logging.CRITICAL)
    setattr(DuckDBEngine, "_load_spatial", lambda _self: None)  # noqa: B010 — theirs is private and typed
    setattr(bigquery_server, "create_app", _app_of_one_request_at_a_time)  # noqa: B010
    setattr(executor, "_run_single_sql", _run_with_external_tables)  # noqa: B010
    asyncio.run(_serve(folder))


if __name__ == "__main__":
    main()
