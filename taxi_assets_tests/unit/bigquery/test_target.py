from __future__ import annotations

import base64
from pathlib import Path

import pytest

from taxi_assets.bigquery.connection import bigquery_client
from taxi_assets.bigquery.target import KeyLookup, Target
from taxi_assets.errors import MissingKeyError, SettingsError
from taxi_assets.settings import Settings

NAMES = {
    "GCP_PROJECT_ID": "my-project",
    "GCP_LOCATION": "EU",
    "GCP_DATASET": "zoomcamp",
    "GCP_BUCKET_NAME": "my-bucket",
}


def settings(**given: object) -> Settings:
    return Settings(**{"_env_file": None, **given})  # type: ignore[arg-type]


def keys(**values: str) -> KeyLookup:
    def lookup(key: str) -> str:
        if key not in values:
            raise MissingKeyError(f"no {key} in namespace zoomcamp")
        return values[key]

    return lookup


def test_environment_goes_before_the_store() -> None:
    target = Target.resolve(settings(GCP_DATASET="mine"), keys(**NAMES))
    assert (target.project, target.dataset, target.bucket) == ("my-project", "mine", "my-bucket")


def test_store_is_not_asked_when_the_environment_says_all() -> None:
    def lookup(key: str) -> str:
        raise AssertionError(key)

    assert Target.resolve(settings(**NAMES), lookup).bucket == "my-bucket"


@pytest.mark.parametrize("missing", ["GCP_PROJECT_ID", "GCP_LOCATION", "GCP_DATASET"])
def test_missing_name_is_an_error(missing: str) -> None:
    with pytest.raises(MissingKeyError, match=f"no {missing} in namespace zoomcamp"):
        Target.resolve(settings(), keys(**{key: value for key, value in NAMES.items() if key != missing}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("GCP_PROJECT_ID", "p`; DROP TABLE x"),
        ("GCP_DATASET", "my-dataset"),
        ("GCP_BUCKET_NAME", "Bucket"),
        ("GCP_LOCATION", "EU'"),
    ],
)
def test_name_that_cannot_be_one_is_refused(key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{key} is "):
        Target.resolve(settings(**{**NAMES, key: value}), keys())


def test_bucket_is_looked_for_when_it_is_needed_though_the_way_needs_none() -> None:
    asked: list[str] = []

    def lookup(key: str) -> str:
        asked.append(key)
        return keys(**NAMES)(key)

    names = {key: value for key, value in NAMES.items() if key != "GCP_BUCKET_NAME"}
    target = Target.resolve(settings(**names, bigquery_way="load"), lookup)
    assert (target.bucket, asked) == (None, [])
    assert target.need_bucket() == target.find_bucket() == "my-bucket"


def test_bucket_that_is_nowhere() -> None:
    names = {key: value for key, value in NAMES.items() if key != "GCP_BUCKET_NAME"}
    target = Target.resolve(settings(**names, bigquery_way="load"), keys())
    assert target.find_bucket() is None
    with pytest.raises(SettingsError, match=r"GCP_BUCKET_NAME is not set.*TAXI_BIGQUERY_WAY=load"):
        target.need_bucket()


def test_way_follows_the_bucket_unless_it_is_set() -> None:
    bucket, none = Target("p", "EU", "d", "b"), Target("p", "EU", "d", None)
    assert [bucket.way(settings()), none.way(settings())] == ["external", "load"]
    assert bucket.way(settings(bigquery_way="load")) == "load"


@pytest.mark.parametrize("name", ["SECRET_GCP_CREDS", "SECRET_GCP_SERVICE_ACCOUNT"])
@pytest.mark.parametrize("secret", ["{not base64}", base64.b64encode(b'{"private_key": "x"}').decode(), "bm8="])
def test_secret_that_is_no_key_is_not_shown(name: str, secret: str) -> None:
    given = settings(**{name: secret})
    with pytest.raises(SettingsError, match=f"{name} is not the base64 of a service account's JSON key") as error:
        bigquery_client(given, "my-project", "EU")
    assert secret not in str(error.value)
    assert secret not in repr(given)


SECRETS = {"SECRET_GCP_CREDS": "bm8=", "SECRET_GCP_SERVICE_ACCOUNT": "bm8="}


def test_first_secret_goes_before_the_second_and_the_file(tmp_path: Path) -> None:
    given = settings(**SECRETS, GOOGLE_APPLICATION_CREDENTIALS=tmp_path / "none.json")
    with pytest.raises(SettingsError, match=r"^SECRET_GCP_CREDS is"):
        bigquery_client(given, "my-project", "EU")


def test_credentials_file_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")  # so that it is put back
    (tmp_path / "key.json").write_text('{"type": "other", "private_key": "s3cret"}')
    for path in (tmp_path / "key.json", tmp_path / "missing.json"):
        given = settings(GOOGLE_APPLICATION_CREDENTIALS=path)
        with pytest.raises(SettingsError, match=r"which is no credentials file.*gcloud auth") as error:
            bigquery_client(given, "my-project", "EU")
        assert "s3cret" not in str(error.value)


def test_one_stand_in_without_the_other_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:1")
    with pytest.raises(SettingsError, match="only BIGQUERY_EMULATOR_HOST is set"):
        bigquery_client(settings(), "my-project", "EU")
