"""docker-compose.yml, Dockerfile and deploy/ say the same as the settings, the ports and each other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from taxi_assets.automation.deployment import CODE_SERVER_COMMAND, HEARTBEAT_TOLERANCE
from taxi_assets.settings import Settings, project_dir
from taxi_assets.trips.months import months_between

ROOT = project_dir()
LOADER = Path(__file__).parent.parent / "compose_config"
PROFILES = ["kestra"]
OPENED = {"pgdatabase": 5432, "pgadmin": 8085, "dagster_webserver": 3000, "kestra": 8080}


def example() -> dict[str, str]:
    """The variables that .env.example sets."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]", line))


@pytest.fixture(scope="session")
def loader(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A real Compose implementation: its own command, or its loader, built here."""
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker"]
    if shutil.which("go") is None:
        pytest.skip("neither docker compose nor a Go compiler to build its loader is here")
    program = tmp_path_factory.mktemp("compose") / "compose_config"
    command = ["go", "build", "-o", str(program), "."]
    try:
        built = subprocess.run(command, cwd=LOADER, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("Compose's loader cannot be built here: go build waits for its modules")
    if built.returncode:
        pytest.skip(f"Compose's loader cannot be built here: {built.stderr.splitlines()[-1]}")
    return [str(program)]


def run_compose(
    loader: list[str], profiles: list[str], *more: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Resolve docker-compose.yml, and more files over it, with the variables given and no others."""
    files = [str(ROOT / name) for name in ("docker-compose.yml", *more)]
    if loader == ["docker"]:
        flags = [part for profile in profiles for part in ("--profile", profile)]
        flags += [part for file in files for part in ("-f", file)]
        loader = ["docker", "compose", "--env-file", os.devnull, *flags, "config", "--format", "json"]
    else:
        loader = [*loader, ",".join(files), *profiles]
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    return subprocess.run(loader, capture_output=True, text=True, env={**kept, **variables}, check=False)


@pytest.fixture
def services(loader: list[str]) -> dict[str, Any]:
    """Every service as Compose itself resolves it with the variables of .env.example."""
    result = run_compose(loader, PROFILES, **example())
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)["services"]
    return found


def test_no_instruction_overwrites_the_settings_that_are_there() -> None:
    said = [ROOT / name for name in ("docker-compose.yml", ".env.example", "README.md", "kestra/README.md")]
    for path in (*said, *(ROOT / "docs").glob("*.md")):
        assert not re.search(r"(cp|copy) \.env\.example", path.read_text()), path


def test_kestra_starts_only_when_asked_for(loader: list[str], services: dict[str, Any]) -> None:
    plain = json.loads(run_compose(loader, [], **example()).stdout)["services"]
    assert set(services) - set(plain) == {"kestra", "kestra_postgres"}


def test_compose_refuses_to_start_without_passwords(loader: list[str]) -> None:
    result = run_compose(loader, [])
    assert result.returncode != 0
    assert "set it in .env, see .env.example" in result.stderr


def test_every_service_has_a_health_check_limits_and_a_restart_policy(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped", name
        assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"]), name


def test_services_wait_until_what_they_need_is_healthy(services: dict[str, Any]) -> None:
    needed = {name: {*service.get("depends_on", {})} for name, service in services.items()}
    for name, service in services.items():
        for other in service.get("depends_on", {}).values():
            assert other["condition"] == "service_healthy", name
    assert needed["kestra"] == {"kestra_postgres", "pgdatabase"}
    assert needed["dagster_webserver"] == needed["dagster_daemon"] == {"dagster_code", "dagster_postgres"}
    assert needed["dagster_code"] == {"dagster_postgres", "pgdatabase"}
    assert needed["pgadmin"] == {"pgdatabase"}


def test_ports_are_open_to_this_machine_only(services: dict[str, Any]) -> None:
    opened = {}
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", name
            opened[name] = int(port["published"])
    assert opened == OPENED


def test_images_are_pinned_and_data_lies_in_named_volumes(services: dict[str, Any]) -> None:
    for name, service in services.items():
        tag = service["image"].rpartition(":")[2]
        assert tag == "local" or re.fullmatch(r"v?\d+(\.\d+)+", tag), f"{name}: {service['image']}"
        for volume in service.get("volumes", []):
            assert volume["type"] == "volume" or volume["read_only"], name


def test_postgres_18_keeps_its_data_where_the_image_wants_it(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if service["image"].startswith("postgres:18"):
            assert [volume["target"] for volume in service["volumes"]] == ["/var/lib/postgresql"], name


def test_no_password_stands_in_the_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for line in text.splitlines():
        if re.search("password", line, re.IGNORECASE) and not line.lstrip().startswith("#"):
            assert re.search(r"\$\{[A-Z_]*PASSWORD:[?-]|_PASSWORD:$", line), line
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_one_service_builds_the_image_that_all_of_dagster_runs(services: dict[str, Any]) -> None:
    ours = {name for name, service in services.items() if service["image"] == "taxi_assets:local"}
    assert ours == {"dagster_code", "dagster_webserver", "dagster_daemon"}
    assert [name for name, service in services.items() if "build" in service] == ["dagster_code"]
    assert {services[name]["pull_policy"] for name in ours} == {"never"}


def test_every_setting_reaches_the_code_location_and_nothing_else_of_dagster(services: dict[str, Any]) -> None:
    settings = {
        field.validation_alias if isinstance(field.validation_alias, str) else f"TAXI_{name.upper()}"
        for name, field in Settings.model_fields.items()
    }
    instance = {"DAGSTER_POSTGRES_URL", "DAGSTER_CODE_HOST", "DAGSTER_CODE_PORT"}
    doctor = {"KESTRA_URL", "KESTRA_USER", "KESTRA_PASSWORD"}
    of_the_image = {"DAGSTER_HOME"}
    assert set(services["dagster_code"]["environment"]) == settings - of_the_image | instance | doctor
    assert set(services["dagster_daemon"]["environment"]) == instance | {"DAGSTER_DAEMON_HEARTBEAT_TOLERANCE"}
    assert set(services["dagster_webserver"]["environment"]) == instance


def test_settings_accept_what_the_containers_get(loader: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"GCP_PROJECT_ID": "my-project", "SECRET_GCP_CREDS": "e30=", "TAXI_SCHEDULE_TIMEZONE": "America/New_York"}
    result = run_compose(loader, [], **example(), **given)
    environment = json.loads(result.stdout)["services"]["dagster_code"]["environment"]
    for name, value in environment.items():
        if value is not None:  # a variable without a value is not set in the container
            monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)
    assert settings.postgres_url is not None
    assert settings.postgres_url.get_secret_value() == "postgresql://root:root@pgdatabase:5432/ny_taxi"
    assert settings.source_url.startswith("https://")
    assert settings.gcp_project_id == "my-project"
    assert settings.schedule_timezone == "America/New_York"
    assert settings.google_application_credentials is None


def test_google_key_file_is_mounted_where_its_variable_says(loader: list[str], tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    result = run_compose(loader, [], **example(), GOOGLE_APPLICATION_CREDENTIALS=str(key))
    code = json.loads(result.stdout)["services"]["dagster_code"]
    (mount,) = [volume for volume in code["volumes"] if volume["type"] == "bind"]
    assert mount["source"] == str(key)
    assert mount["target"] == code["environment"]["GOOGLE_APPLICATION_CREDENTIALS"]
    assert mount["read_only"] is True


def test_dagster_finds_its_code_server_and_storage(services: dict[str, Any]) -> None:
    command, environment = services["dagster_code"]["command"], services["dagster_daemon"]["environment"]
    assert services[environment["DAGSTER_CODE_HOST"]]["command"] == command
    assert command[command.index("-p") + 1] == environment["DAGSTER_CODE_PORT"]
    workspace = yaml.safe_load((ROOT / "deploy" / "workspace.yaml").read_text())["load_from"][0]["grpc_server"]
    assert workspace["host"]["env"] in environment
    assert workspace["port"]["env"] in environment
    assert command[command.index("--location-name") + 1] == workspace["location_name"]
    storage = services["dagster_postgres"]["environment"]
    assert environment["DAGSTER_POSTGRES_URL"] == (
        f"postgresql+psycopg2://{storage['POSTGRES_USER']}:{storage['POSTGRES_PASSWORD']}"
        f"@dagster_postgres:5432/{storage['POSTGRES_DB']}"
    )


def test_daemon_is_taken_for_ended_as_soon_as_by_up(services: dict[str, Any]) -> None:
    daemon = services["dagster_daemon"]
    assert daemon["healthcheck"]["test"] == ["CMD", "dagster-daemon", "liveness-check"]
    assert int(daemon["environment"]["DAGSTER_DAEMON_HEARTBEAT_TOLERANCE"]) == HEARTBEAT_TOLERANCE


def test_restoring_stops_whatever_uses_a_database(services: dict[str, Any]) -> None:
    (line,) = re.findall(r"compose --profile kestra stop (.+)", (ROOT / "docs" / "deployment.md").read_text())
    of_databases = {name for name, service in services.items() if service["image"].startswith("postgres:")}
    assert set(line.split()) == set(services) - of_databases


def test_managed_postgres_takes_the_place_of_the_container(loader: list[str]) -> None:
    url = "postgresql://taxi:secret@db.example.com:5432/ny_taxi?sslmode=require"
    result = run_compose(loader, [], "deploy/managed-postgres.yml", **example(), TAXI_POSTGRES_URL=url)
    assert result.returncode == 0, result.stderr
    services = json.loads(result.stdout)["services"]
    assert set(services) == {"dagster_postgres", "dagster_code", "dagster_webserver", "dagster_daemon"}
    assert services["dagster_code"]["environment"]["TAXI_POSTGRES_URL"] == url


def test_pgadmin_knows_the_database(services: dict[str, Any]) -> None:
    (server,) = json.loads((ROOT / "deploy" / "pgadmin" / "servers.json").read_text())["Servers"].values()
    database = services["pgdatabase"]["environment"]
    assert server["Host"] in services
    assert (server["MaintenanceDB"], server["Username"]) == (database["POSTGRES_DB"], database["POSTGRES_USER"])


def test_kestra_reads_the_flows_and_asks_for_a_password(services: dict[str, Any]) -> None:
    kestra = services["kestra"]
    (flows,) = [volume for volume in kestra["volumes"] if volume["type"] == "bind"]
    assert Path(flows["source"]) == ROOT / "kestra" / "flows"
    assert kestra["command"][-2:] == ["--flow-path", flows["target"]]
    settings = yaml.safe_load(kestra["environment"]["KESTRA_CONFIGURATION"])
    assert settings["kestra"]["server"]["basic-auth"] == {"username": "admin@kestra.io", "password": "Admin1234!"}
    assert settings["datasources"]["postgres"]["password"] == example()["KESTRA_POSTGRES_PASSWORD"]
    assert "ai" not in settings["kestra"]


def test_kestra_takes_the_password_of_the_example(loader: list[str], services: dict[str, Any]) -> None:
    """Kestra lets the first visitor choose a password when it has none or one it refuses."""
    password = example()["KESTRA_PASSWORD"]
    assert len(password) >= 8
    assert all(re.search(kind, password) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    assert services["dagster_code"]["environment"]["KESTRA_PASSWORD"] == password
    without = run_compose(loader, PROFILES, **{**example(), "KESTRA_PASSWORD": ""})
    assert without.returncode != 0
    assert "KESTRA_PASSWORD" in without.stderr


def test_kestras_flows_log_in_with_the_password_of_the_env_file_and_elsewhere_when_told(loader: list[str]) -> None:
    def logs_in(**variables: str) -> tuple[str, str, str]:
        result = run_compose(loader, PROFILES, **{**example(), **variables})
        environment = json.loads(result.stdout)["services"]["kestra"]["environment"]
        flow = yaml.safe_load((ROOT / "kestra" / "flows" / "04_postgres_taxi.yaml").read_text())
        (defaults,) = flow["pluginDefaults"]
        # Kestra's own rule: `envs` has the variables that begin with ENV_, in small letters.
        asked = [
            re.findall(r"^{{ envs\.(\w+) \?\? ", defaults["values"][name]) for name in ("url", "username", "password")
        ]
        url, user, password = (environment[f"ENV_{name.upper()}"] for (name,) in asked)
        return url, user, password

    assert logs_in(**{"NY_TAXI_PASSWORD": "changed"}) == (
        "jdbc:postgresql://pgdatabase:5432/ny_taxi",
        "root",
        "changed",
    )
    managed = {"URL": "jdbc:postgresql://db.example.com:5432/trips", "USER": "taxi", "PASSWORD": "secret"}
    assert logs_in(**{f"KESTRA_JDBC_{name}": value for name, value in managed.items()}) == tuple(managed.values())


def test_kestra_gets_every_secret_that_a_flow_reads(services: dict[str, Any]) -> None:
    texts = [path.read_text() for path in (ROOT / "kestra" / "flows").glob("*.yaml")]
    read = {name for text in texts for name in re.findall(r"secret\('(\w+)'\)", text)}
    assert read
    assert {f"SECRET_{name}" for name in read} <= set(services["kestra"]["environment"])


def test_heap_of_kestra_follows_its_memory_limit(services: dict[str, Any]) -> None:
    (share,) = re.findall(r"-XX:MaxRAMPercentage=(\d+)", services["kestra"]["environment"]["JAVA_OPTS"])
    assert 25 < int(share) <= 60


def test_kestra_gets_its_copilot_with_a_gemini_key(loader: list[str]) -> None:
    result = run_compose(loader, PROFILES, **example(), GEMINI_API_KEY="a-key")
    kestra = json.loads(result.stdout)["services"]["kestra"]
    settings = yaml.safe_load(kestra["environment"]["KESTRA_CONFIGURATION"])
    gemini = {"model-name": "gemini-2.5-flash", "api-key": "a-key"}
    assert settings["kestra"]["ai"] == {"type": "gemini", "gemini": gemini}


def test_image_is_built_from_the_lock_files_and_runs_as_nobody_special() -> None:
    text = (ROOT / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", base) for base in bases), bases
    for lock in re.findall(r"-r (requirements/\S+)", text):
        assert "--hash=sha256:" in (ROOT / lock).read_text(), lock
    assert "USER taxi" in text
    assert "HEALTHCHECK" in text
    for mode, copied in re.findall(r"^COPY (?!--from)(?:--chmod=(\d+) )?(.+) \S+$", text, re.MULTILINE):
        for path in copied.split():
            assert (ROOT / path).exists(), path
            # What is read in the last stage, by the user there.
            assert (mode == "644") is path.startswith("deploy/"), path


def test_the_code_server_is_the_same_process_in_the_image_in_compose_and_without_docker(
    services: dict[str, Any],
) -> None:
    command = [*CODE_SERVER_COMMAND, "-h", "0.0.0.0", "-p", "4000"]  # noqa: S104
    (of_image,) = re.findall(r"^CMD (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert json.loads(of_image) == services["dagster_code"]["command"] == command


def test_a_backfill_of_every_month_may_run_for_longer_than_it_needs() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text())
    months = len(list(months_between(Settings().first_month, Settings().last_month)))
    assert config["run_monitoring"]["max_runtime_seconds"] > months * 30 * 60


def test_image_has_what_every_asset_and_job_needs() -> None:
    image, google = locked("server.txt"), locked("gcp.txt")
    assert google <= image, "the definitions show the BigQuery assets, so their libraries belong in"
    assert any(pin.startswith("dagster-webserver==") for pin in image)


def locked(name: str) -> set[str]:
    """The pinned packages of a lock file."""
    return set(re.findall(r"^[a-z0-9].*?==\S+", (ROOT / "requirements" / name).read_text(), re.MULTILINE))


def test_run_queue_has_the_limit_of_the_scheduled_flow_and_no_asset_wants_a_pool() -> None:
    from taxi_assets.assets.flow import FLOW_TAG, SCHEDULED_FLOW
    from taxi_assets.definitions import defs

    config = yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text())
    assert config["concurrency"]["runs"]["tag_concurrency_limits"] == [
        {"key": FLOW_TAG, "value": SCHEDULED_FLOW, "limit": 1}
    ]
    assert "pools" not in config["concurrency"]
    assert not any(node.pools for job in defs.resolve_all_job_defs() for node in job.all_node_defs)
    assert config["run_retries"]["retry_on_asset_or_op_failure"] is False
    assert config["telemetry"]["enabled"] is False
