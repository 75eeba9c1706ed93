"""docker-compose.yaml holds against Compose's schema and against this tree."""

import json
import re
from datetime import timedelta
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
import yaml
from airflow.configuration import conf
from airflow.dag_processing.dagbag import DagBag

from stack.compose.secret_files import GROUPS
from tests.compose.compose_file import FILE, ROOT, VariableMissing, fill_in, load, texts, variables

COMPOSE = load()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
AIRFLOW = [name for name in SERVICES if name.startswith("airflow-")]
ONCE = ["cli", "init", "lab-init"]
LASTING = [name for name in SERVICES if name not in ONCE]
OURS = [name for name, service in SERVICES.items() if "build" in service]
ENGINE = [name for name in OURS if not name.startswith("lab")]
LOG_SERVERS = {"8793", "8794"}
COMMON = SERVICES["airflow-scheduler"]["environment"]


def test_it_follows_the_schema_of_compose_files() -> None:
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    raw = yaml.safe_load(FILE.read_text())
    assert "services" in raw
    jsonschema.validate(raw, json.loads(schema.read_text()))


def test_no_key_stands_twice() -> None:
    """YAML readers keep the last one and say nothing."""

    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [key.value for key, _ in node.value if key.value != "<<"]
            assert len(keys) == len(set(keys)), f"line {node.start_mark.line + 1}: {sorted(keys)}"
            return super().construct_mapping(node, deep)

    yaml.load(FILE.read_text(), Strict)


def test_the_parts_are_there() -> None:
    assert set(AIRFLOW) == {
        f"airflow-{each}" for each in ("apiserver", "scheduler", "dag-processor", "triggerer", "worker")
    }
    assert {"postgres", "redis", "init"} <= set(SERVICES)


def test_without_the_containers_user_compose_refuses_and_says_what_to_do() -> None:
    with pytest.raises(VariableMissing, match=re.escape("EMAIL_ENGINE_UID is not set. Next: make secrets")):
        load({})


def test_variables_are_filled_in_as_compose_does() -> None:
    text = "${A:-1} ${A:-} $${A} ${B}"
    assert fill_in([text], {"B": "2"}) == ["1  ${A} 2"]
    assert fill_in(text, {"A": "7"}) == "7 7 ${A} "


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_or_built_from_this_tree(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[\w./-]+:\d[\w.-]*", service["image"]), service["image"]
    if name in OURS:
        version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
        assert version
        name = "email-engine" if name in ENGINE else "email-engine-lab"
        assert service["image"] == f"{name}:{version[1]}"
        assert service["build"]["target"] == ("lab" if name == "email-engine-lab" else "engine")
        assert (ROOT / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "1000:0"
    for forbidden in (
        "privileged",
        "cap_add",
        "devices",
        "pid",
        "ipc",
        "network_mode",
        "env_file",
        "volumes_from",
    ):
        assert forbidden not in service, forbidden
    assert not any("docker.sock" in text for text in texts(service))


@pytest.mark.parametrize("name", SERVICES)
def test_what_lasts_is_watched_and_started_again_and_what_does_not_is_not(name: str) -> None:
    service = SERVICES[name]
    if name in ONCE:
        assert service["restart"] == "no"
        return
    assert service["restart"] == "unless-stopped"
    check = service["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert set(check) >= {"interval", "timeout", "retries", "start_period"}
    assert service.get("profiles") == (["lab"] if name == "lab" else None)


@pytest.mark.parametrize("name", [*AIRFLOW, "cli"])
def test_nothing_of_airflow_starts_before_the_migrations_are_through(name: str) -> None:
    assert SERVICES[name]["depends_on"] == {
        "init": {"condition": "service_completed_successfully"},
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
    }
    assert SERVICES["init"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_every_part_of_airflow_has_the_same_environment() -> None:
    for name in ENGINE:
        environment = dict(SERVICES[name]["environment"])
        if name == "airflow-worker":
            assert environment.pop("DUMB_INIT_SETSID") == "0"
        assert environment == COMMON, name
        assert set(SERVICES[name]["secrets"]) >= set(SERVICES["airflow-scheduler"]["secrets"])
        assert SERVICES[name]["volumes"] == SERVICES["airflow-scheduler"]["volumes"]


def test_only_the_api_is_published_and_only_to_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if service.get("ports")}
    assert published == {"airflow-apiserver": ["127.0.0.1:8080:8080"]}
    opened = load({"EMAIL_ENGINE_UID": "1", "EMAIL_ENGINE_BIND": "0.0.0.0", "EMAIL_ENGINE_PORT": "80"})
    assert opened["services"]["airflow-apiserver"]["ports"] == ["0.0.0.0:80:8080"]
    assert not any("expose" in service for service in SERVICES.values())


def test_log_servers_have_the_ports_that_nothing_publishes() -> None:
    assert {
        COMMON["AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT"],
        COMMON["AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT"],
    } == LOG_SERVERS
    for service in SERVICES.values():
        assert not LOG_SERVERS & set(re.findall(r"\d+", " ".join(service.get("ports", []))))


def test_databases_are_reached_from_inside_alone() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "redis", "init", "airflow-scheduler"):
        assert SERVICES[name]["networks"] == ["inside"], name
    for service in SERVICES.values():
        assert "inside" in service["networks"]
        assert set(service["networks"]) <= set(COMPOSE["networks"])


def test_volumes_are_declared_and_used() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    used = {mount.split(":")[0] for mount in mounts if isinstance(mount, str)}
    assert used == set(COMPOSE["volumes"])


def test_a_folder_of_the_host_is_the_fleets_read_only_and_never_made_by_docker() -> None:
    binds = {n: m for n, s in SERVICES.items() for m in s.get("volumes", []) if isinstance(m, dict)}
    assert set(binds) == {*ENGINE, "lab-init"}
    for name, bind in binds.items():
        assert (bind["source"], bind["target"]) == ("./fleet", "/etc/email-engine")
        assert bind.get("read_only", False) is (name != "lab-init"), "it alone puts the example there"
        assert bind["bind"] == {"create_host_path": False}
    assert COMMON["EMAIL_ENGINE_FLEET"].rpartition("/")[0] == "/etc/email-engine"


def test_what_is_written_lies_on_a_volume_or_in_memory() -> None:
    worker = SERVICES["airflow-worker"]
    mounts = [mount.split(":")[1] for mount in worker["volumes"] if isinstance(mount, str)]
    for name in ("EMAIL_ENGINE_CONFIG_HISTORY", "EMAIL_ENGINE_HYGIENE"):
        assert COMMON[name].startswith(tuple(f"{mount}/" for mount in mounts))
    assert f"{COMMON['AIRFLOW_HOME']}/logs" in mounts
    assert COMMON["MPLCONFIGDIR"].rpartition("/")[0] in worker["tmpfs"]
    assert SERVICES["redis"]["command"][-1] in SERVICES["redis"]["tmpfs"]
    assert SERVICES["postgres"]["environment"]["PGDATA"].startswith("/var/lib/postgresql/data/")


@pytest.mark.parametrize("name", sorted(key for key in COMMON if key.startswith("EMAIL_ENGINE_")))
def test_a_variable_of_the_engine_is_read_by_it(name: str) -> None:
    """By its name in quotes, or as a module's constant with `_FILE` behind it."""
    texts = [
        p.read_text() for folder in ("include", "plugins", "dags") for p in (ROOT / folder).rglob("*.py")
    ]
    constant = re.compile(rf'^(\w+) = "{name.removesuffix("_FILE")}"$', re.MULTILINE)
    for text in texts:
        known = constant.search(text)
        by_constant = known and (
            f'environ.get(f"{{{known[1]}}}_FILE")' if name.endswith("_FILE") else known[1]
        )
        if re.search(rf'environ(\.get\(|\[)"{name}"', text) or (by_constant and by_constant in text):
            return
    pytest.fail(f"nothing reads {name}")


@pytest.mark.parametrize("name", sorted(key for key in COMMON if key.startswith("AIRFLOW__")))
def test_a_setting_of_airflow_is_one_that_it_has(name: str) -> None:
    """Those of the providers Celery and FAB, which are not installed here, are asked in test_services_run.py."""
    _, section, option = name.lower().split("__", 2)
    if section in ("celery", "celery_broker_transport_options", "fab"):
        return
    if name.endswith("_CMD"):
        option = option.removesuffix("_cmd")
        assert (section, option) in conf.sensitive_config_values, "Airflow runs no command for it"
    assert option in conf.configuration_description[section]["options"]


def test_places_in_the_image_exist_in_the_tree() -> None:
    home = COMMON["EMAIL_ENGINE_HOME"]
    inside = {text.removeprefix(home).lstrip("/") for text in COMMON.values() if text.startswith(f"{home}/")}
    assert {"dags", "plugins"} <= inside
    for path in inside:
        assert (ROOT / path).exists(), path


def test_addresses_between_services_name_services_and_their_ports() -> None:
    made = "\n".join(text for make in GROUPS.values() for text in make().values())
    everything = "\n".join([*COMMON.values(), made])
    addresses = re.findall(r"(?:://|@)([a-z][\w-]*):(\d+)/", everything)
    ports = {
        "airflow-apiserver": COMMON["AIRFLOW__API__PORT"],
        "redis": "6379",
        "postgres": "5432",
        "localhost": "8080",
    }
    assert {host for host, _ in addresses} == {"airflow-apiserver", "redis", "postgres"}
    assert all(ports[host] == port for host, port in addresses)
    assert "6379" in SERVICES["redis"]["command"]
    assert "-p 6379" in SERVICES["redis"]["healthcheck"]["test"][1]


def test_health_checks_ask_the_port_that_is_served() -> None:
    asked = {
        "airflow-apiserver": "AIRFLOW__API__PORT",
        "airflow-scheduler": "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT",
    }
    for name, variable in asked.items():
        assert f"http://127.0.0.1:{COMMON[variable]}/" in SERVICES[name]["healthcheck"]["test"][-1]
    assert SERVICES["airflow-apiserver"]["ports"][0].endswith(f":{COMMON['AIRFLOW__API__PORT']}")
    assert COMMON["AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK"] == "True"


def test_no_task_outlives_redis_patience_or_a_workers_warm_stop() -> None:
    bag = DagBag(str(ROOT / "dags"))
    longest = max(
        task.execution_timeout for dag in bag.dags.values() for task in dag.tasks if task.execution_timeout
    )
    patience = timedelta(seconds=int(COMMON["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"]))
    grace = re.fullmatch(r"(\d+)m", SERVICES["airflow-worker"]["stop_grace_period"])
    assert grace
    assert longest < timedelta(minutes=int(grace[1])) < patience


def test_the_page_tells_of_every_service_variable_secret_and_volume() -> None:
    page = (ROOT / "docs" / "compose.md").read_text()
    names = [*SERVICES, *variables(), *COMPOSE["secrets"], *COMPOSE["volumes"]]
    assert [name for name in names if f"`{name}`" not in page] == []
