"""A Kestra server for tests that works: it keeps flows, and its executions replay them against PostgreSQL.

Its answers have the fields that a recorded server's have; files are downloaded from the flow's own source.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, parse_qsl, urlsplit

from taxi_assets.errors import KestraError
from taxi_assets.kestra import documents
from taxi_assets.kestra.replay import Replay
from taxi_assets.trips.months import Month, months_between
from taxi_assets_tests.kestra_server import serving

Answer = tuple[int, Any]


@dataclass
class FakeKestra:
    """The server's state, and what tests look at."""

    database_url: str
    url: str = ""
    flows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    sources: dict[tuple[str, str], str] = field(default_factory=dict)
    deleted: list[tuple[str, str]] = field(default_factory=list)
    executions: list[dict[str, Any]] = field(default_factory=list)
    logs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    answers_until_ended: int = 1
    """How often an execution is said to be running before it has ended."""
    never_ends: bool = False
    backfills_deleted: int = 0
    refused_flow: str | None = None
    """Id of a flow that is not taken."""

    def deploy(self, text: str) -> Answer:
        flow = dict(documents.load(text, "the flow"))
        name = (flow["namespace"], flow["id"])
        if flow["id"] == self.refused_flow:
            return 422, {"message": "refused by the test"}
        changed = self.sources.get(name) != text
        revision = self.flows.get(name, {}).get("revision", 0) + changed
        self.flows[name], self.sources[name] = {**flow, "revision": revision}, text
        return 200, self.flows[name]

    def execute(
        self, name: tuple[str, str], inputs: dict[str, str], labels: dict[str, str], date: str | None
    ) -> Answer:
        flow = {key: value for key, value in self.flows[name].items() if key != "revision"}
        number = f"execution{len(self.executions) + 1}"
        execution: dict[str, Any] = {
            "id": number,
            "namespace": name[0],
            "flowId": name[1],
            "inputs": inputs,
            "state": {"current": "CREATED", "startDate": _now()},
            "left": self.answers_until_ended,
        }
        if date:
            execution["trigger"] = {"variables": {"date": date}}
        end, said, tasks = self._replay(flow, inputs, labels, date)
        execution["end"] = {"current": end, "startDate": execution["state"]["startDate"], "endDate": _now()}
        execution["taskRunList"] = tasks
        execution["labels"] = [{"key": key, "value": value} for key, value in labels.items()]
        self.logs[number] = [{"level": "ERROR", "message": said, "taskId": tasks[-1]["taskId"]}] if said else []
        self.executions.append(execution)
        return 200, execution

    def _replay(
        self, flow: dict[str, Any], inputs: dict[str, str], labels: dict[str, str], date: str | None
    ) -> tuple[str, str | None, list[dict[str, Any]]]:
        month = date[:7] if date else f"{inputs['year']}-{inputs['month']}"
        name = f"{inputs['taxi']}_tripdata_{month}.csv.gz"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            try:
                url = f"{flow['variables']['source']}/{inputs['taxi']}/{name}"
                with urllib.request.urlopen(url) as download:  # noqa: S310  our own file server
                    file.write_bytes(download.read())
            except HTTPError as error:
                return "FAILED", str(error), [_task("extract", "FAILED")]
            tick = datetime.fromisoformat(date) if date else None
            replay = Replay.prepare(flow, inputs, self.database_url, file, tick)
            try:
                tasks = [_task(task.task_id, "SUCCESS") for task in replay.steps()]
            except KestraError as error:
                return "FAILED", str(error), [_task(str(error).partition(":")[0], "FAILED")]
            finally:
                labels.update(replay.labels)
        return "SUCCESS", None, tasks

    def shown(self, execution: dict[str, Any]) -> dict[str, Any]:
        """The execution as it stands at this question."""
        if execution["left"] > 0 or self.never_ends:
            execution["left"] -= 1
            return {**execution, "state": {**execution["state"], "current": "RUNNING"}}
        return {**execution, "state": execution["end"]}

    def backfill(self, request: dict[str, Any]) -> Answer:
        name = (request["namespace"], request["flowId"])
        trigger = next(each for each in self.flows[name]["triggers"] if each["id"] == request["triggerId"])
        minute, hour, *_ = trigger["cron"].split()
        given = request["backfill"]
        labels = {label["key"]: label["value"] for label in given["labels"]}
        first, last = (Month.parse(given[end][:7]) for end in ("start", "end"))
        for month in months_between(first, last):
            tick = f"{month}-01T{int(hour):02d}:{int(minute):02d}:00Z"
            if given["start"] <= tick <= given["end"]:
                self.execute(name, {**trigger["inputs"], **given["inputs"]}, dict(labels), tick)
        return 200, {"triggerId": trigger["id"], "backfill": {**given, "currentDate": given["start"], "paused": False}}

    def triggers(self, name: tuple[str, str]) -> Answer:
        return 200, {
            "results": [{"triggerId": each["id"]} for each in self.flows[name].get("triggers", [])],
            "total": 2,
        }

    def search(self, query: dict[str, str]) -> Answer:
        wanted = {
            match[1]: value for key, value in query.items() if (match := re.search(r"\[labels\].*\[(.*)\]$", key))
        }
        found = [
            self.shown(each)
            for each in self.executions
            if wanted.items() <= {label["key"]: label["value"] for label in each["labels"]}.items()
        ]
        return 200, {"results": found if query["page"] == "1" else [], "total": len(found)}


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _task(task_id: str, state: str) -> dict[str, Any]:
    return {"taskId": task_id, "state": {"current": state, "startDate": _now(), "endDate": _now()}}


@contextmanager
def fake_kestra(database_url: str) -> Iterator[FakeKestra]:
    """A server on loopback that writes to this database."""
    kestra = FakeKestra(database_url)
    with serving(_Handler) as httpd:
        httpd.kestra, httpd.lock = kestra, threading.Lock()  # type: ignore[attr-defined]
        kestra.url = f"http://127.0.0.1:{httpd.server_address[1]}"
        yield kestra


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        path = url.path.removeprefix("/api/v1/main/").split("/")
        with self.server.lock:  # type: ignore[attr-defined]
            status, answer = self._answer(self.server.kestra, path, dict(parse_qsl(url.query)), body)  # type: ignore[attr-defined]
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815  the names that http.server calls

    def _answer(  # noqa: PLR0911  one return for each kind of request
        self, kestra: FakeKestra, path: list[str], query: dict[str, str], body: bytes
    ) -> Answer:
        match (self.command, *path):
            case ("GET", "flows", namespace, flow):
                found = kestra.flows.get((namespace, flow))
                return (200, found) if found else (404, {"message": "Not Found"})
            case ("POST", "flows") | ("PUT", "flows", _, _):
                return kestra.deploy(body.decode())
            case ("DELETE", "flows", namespace, flow):
                kestra.deleted.append((namespace, flow))
                return 204, None
            case ("POST", "executions", namespace, flow):
                labels = dict(label.split(":", 1) for label in parse_qs(urlsplit(self.path).query).get("labels", []))
                return kestra.execute((namespace, flow), self._form(body), labels, None)
            case ("GET", "executions", "search"):
                return kestra.search(query)
            case ("GET", "executions", number):
                return 200, kestra.shown(next(each for each in kestra.executions if each["id"] == number))
            case ("GET", "logs", number):
                return 200, kestra.logs[number]
            case ("GET", "triggers", namespace, flow):
                return kestra.triggers((namespace, flow))
            case ("PUT", "triggers"):
                return kestra.backfill(json.loads(body))
            case ("POST", "triggers", "backfill", "delete"):
                kestra.backfills_deleted += 1
                return 200, {"triggerId": json.loads(body)["triggerId"]}
        return 404, {"message": f"this server knows no {self.command} {self.path}"}

    def _form(self, body: bytes) -> dict[str, str]:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
        return {str(part.get_param("name", header="content-disposition")): str(part.get_content()) for part in parts}

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as http.server names it
        """Nothing on the test's output."""
