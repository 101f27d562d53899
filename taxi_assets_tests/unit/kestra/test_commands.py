"""`taxi-assets kestra render` and `deploy`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from taxi_assets.cli import app
from taxi_assets.errors import KestraError
from taxi_assets.kestra import flows
from taxi_assets_tests.fake_kestra import fake_kestra
from taxi_assets_tests.kestra_server import PASSWORD, USER, Exchange, kestra_answering, recorded

NAMES = ("04_postgres_taxi", "05_postgres_taxi_scheduled")
ALL_NAMES = (
    "04_postgres_taxi",
    "05_postgres_taxi_scheduled",
    "06_gcp_kv",
    "07_gcp_setup",
    "08_gcp_taxi",
    "09_gcp_taxi_scheduled",
    "07_gcp_setup_load",
    "08_gcp_taxi_load",
    "09_gcp_taxi_load_scheduled",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(flows, "flows_dir", lambda: tmp_path / "flows")
    return tmp_path / "flows"


def test_render_writes_the_folder_and_check_agrees(folder: Path) -> None:
    result = CliRunner().invoke(app, ["kestra", "render"])
    assert result.exit_code == 0
    assert [Path(line).name for line in result.output.splitlines()] == [f"{name}.yaml" for name in ALL_NAMES]
    check = CliRunner().invoke(app, ["kestra", "render", "--check"])
    assert check.exit_code == 0
    assert str(folder) in check.output


def test_check_shows_the_difference_and_is_exit_status_1(folder: Path) -> None:
    CliRunner().invoke(app, ["kestra", "render"])
    path = folder / "04_postgres_taxi.yaml"
    path.write_text(path.read_text().replace("limit: 1", "limit: 2").replace("yellow_merge_data", "yellow_merge"))
    edited = path.read_text()
    result = CliRunner().invoke(app, ["kestra", "render", "--check"])
    assert result.exit_code == 1
    assert "-      - id: yellow_merge\n" in result.output
    assert "+      - id: yellow_merge_data\n" in result.output
    assert path.read_text() == edited


def test_deploy_creates_then_leaves_and_updates() -> None:
    with fake_kestra("") as kestra:
        first = CliRunner().invoke(app, ["kestra", "deploy", "--url", kestra.url])
        again = CliRunner().invoke(app, ["kestra", "deploy", "--url", kestra.url])
        kestra.sources["zoomcamp", NAMES[1]] = "edited on the server"
        updated = CliRunner().invoke(app, ["kestra", "deploy", "--url", kestra.url])
    assert first.output.splitlines() == [f"zoomcamp.{name}: created, revision 1" for name in ALL_NAMES]
    assert again.output.splitlines() == [f"zoomcamp.{name}: unchanged, revision 1" for name in ALL_NAMES]
    changed = {NAMES[1]: "updated, revision 2"}
    assert updated.output.splitlines() == [
        f"zoomcamp.{name}: {changed.get(name, 'unchanged, revision 1')}" for name in ALL_NAMES
    ]


def test_deploy_takes_server_and_login_from_the_environment_and_never_prints_the_password() -> None:
    asked = recorded("flow_get_missing")["request"]
    refused: Exchange = {
        **recorded("flows_search_unauthenticated"),
        "request": {**asked, "path": f"/api/v1/main/flows/zoomcamp/{NAMES[0]}"},
    }
    with kestra_answering(refused) as kestra:
        login = {"KESTRA_URL": kestra.url, "KESTRA_USER": USER, "KESTRA_PASSWORD": PASSWORD}
        result = CliRunner().invoke(app, ["kestra", "deploy"], env=login)
    assert isinstance(result.exception, KestraError)
    assert "user or password refused (401)" in str(result.exception)
    assert PASSWORD not in result.output + str(result.exception)


def test_help_does_not_print_the_password() -> None:
    result = CliRunner().invoke(app, ["kestra", "deploy", "--help"], env={"KESTRA_PASSWORD": PASSWORD})
    assert result.exit_code == 0
    assert PASSWORD not in result.output
