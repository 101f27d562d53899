"""`taxi-assets doctor`: one line for each thing, and exit status 1 when one is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from taxi_assets.cli import app
from taxi_assets.cli.doctor import Finding, examine
from taxi_assets.settings import Settings, get_settings
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import write_mirror
from taxi_assets_tests.conftest import MakeSettings

NOBODY = "127.0.0.1:9"


@pytest.fixture
def settings(make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))  # opening the instance sets it
    monkeypatch.delenv("KESTRA_URL", raising=False)
    write_mirror(tmp_path / "mirror", [Month(2020, 4)], 10)
    return make_settings(source_url=(tmp_path / "mirror").as_uri())


def found(settings: Settings) -> dict[str, Finding]:
    findings = {finding.name: finding for finding in examine(settings)}
    assert all("\n" not in finding.said for finding in findings.values())
    return findings


def test_all_is_right_on_a_laptop_that_only_uses_the_shell(settings: Settings) -> None:
    findings = found(settings)
    assert all(finding.ok for finding in findings.values()), findings
    assert list(findings) == ["source", "database", "storage", "daemon", "kestra"]
    assert findings["storage"].said.startswith("0 runs in ")


def test_source_that_is_not_there(settings: Settings) -> None:
    finding = found(settings.model_copy(update={"source_url": "file:///no/such/folder"}))["source"]
    assert not finding.ok
    assert "check TAXI_SOURCE_URL" in finding.said


def test_database_that_does_not_answer_and_its_password_is_not_shown(make_settings: MakeSettings) -> None:
    finding = found(make_settings(postgres_url=f"postgresql://me:secret@{NOBODY}/trips"))["database"]
    assert not finding.ok
    assert "TAXI_POSTGRES_URL" in finding.said
    assert "secret" not in finding.said


def test_embedded_database_is_not_started_by_looking(make_settings: MakeSettings, tmp_path: Path) -> None:
    finding = found(make_settings(postgres_url=None))["database"]
    assert not finding.ok
    assert finding.said.endswith("start it: taxi-assets db start")
    assert not (tmp_path / "data" / "postgres").exists()


def test_storage_that_does_not_answer(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("storage: {postgres: {postgres_url: {env: DAGSTER_POSTGRES_URL}}}\n")
    url = f"postgresql+psycopg2://me:secret@{NOBODY}/dagster"
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)
    given = Settings(data_dir=settings.data_dir, postgres_url=settings.postgres_url, _env_file=None)
    findings = found(given)
    assert not findings["storage"].ok
    assert not findings["daemon"].ok
    assert "check DAGSTER_POSTGRES_URL" in findings["storage"].said
    assert "secret" not in findings["storage"].said


def test_kestra_that_does_not_answer(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KESTRA_URL", f"http://{NOBODY}")
    finding = found(settings)["kestra"]
    assert not finding.ok
    assert NOBODY in finding.said


def test_exit_status_and_json(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.postgres_url is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAXI_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("TAXI_POSTGRES_URL", settings.postgres_url.get_secret_value())
    for source, status in ((settings.source_url, 0), ("file:///no/such/folder", 1)):
        monkeypatch.setenv("TAXI_SOURCE_URL", source)
        get_settings.cache_clear()
        result = CliRunner().invoke(app, ["doctor", "--json"])
        assert result.exit_code == status, result.output
        findings = json.loads(result.stdout)
        assert [finding["ok"] for finding in findings] == [status == 0, True, True, True, True]
    get_settings.cache_clear()
