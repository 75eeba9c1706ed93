"""The profile `lab` of docker-compose.yaml: only when asked for, reached from inside alone, and written where it reads."""

import re
from typing import Any

import yaml

from email_engine.blocklists.config import load_blocklists
from lab.__main__ import _parser
from stack.chosen_ports import PORTS
from stack.compose import lab as step
from tests.compose.compose_file import FILE, ROOT, load, script_lines

COMPOSE = load()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LAB, INIT = SERVICES["lab"], SERVICES["lab-init"]
LAB_SERVICES = {"lab", "lab-init"}


def test_it_starts_only_when_asked_for_and_nothing_else_needs_it() -> None:
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["lab"]} == LAB_SERVICES
    for name in set(SERVICES) - LAB_SERVICES:
        assert not LAB_SERVICES & set(SERVICES[name].get("depends_on", {})), name


def test_nothing_of_it_is_published_or_leads_outside() -> None:
    assert COMPOSE["networks"]["inside"]["internal"] is True
    for service in (LAB, INIT):
        assert service["networks"] == ["inside"]
        assert not {"ports", "expose", "network_mode"} & set(service)


def test_no_address_of_the_hosts_networks_is_taken() -> None:
    """A fixed subnet could hide a network in which real hosts stand."""
    raw = yaml.safe_load(FILE.read_text())
    assert not any("ipam" in (network or {}) for network in raw["networks"].values())
    assert "ipv4_address" not in FILE.read_text()


def test_init_comes_first_and_then_the_step_that_writes_the_world() -> None:
    assert INIT["depends_on"]["init"] == {"condition": "service_completed_successfully"}
    assert LAB["depends_on"] == {
        "lab-init": {"condition": "service_completed_successfully"},
        "postgres": {"condition": "service_healthy"},
    }


def test_its_step_is_one_that_there_is_and_has_the_environment_that_it_reads() -> None:
    first, second = script_lines(INIT)
    assert first == "python -m stack.compose lab"
    assert second == "email-engine fleet apply"
    common = SERVICES["airflow-scheduler"]["environment"]
    more = {name: value for name, value in INIT["environment"].items() if common.get(name) != value}
    assert set(more) == {step.HOST, step.STATE}


def test_the_lab_reads_the_world_where_the_step_writes_it() -> None:
    state = INIT["environment"][step.STATE]
    assert f"lab-state:{state}" in INIT["volumes"]
    assert LAB["volumes"] == [f"lab-state:{state}"]
    module, *words = LAB["entrypoint"][2:]
    assert LAB["entrypoint"][:2] == ["python", "-m"]
    assert (ROOT / module / "__main__.py").is_file()
    options = _parser().parse_args([*words, *LAB["command"]])
    assert str(options.world) == f"{state}/lab/world.json"
    made = next(line for line in (ROOT / "Dockerfile").read_text().splitlines() if state in line)
    assert "install --directory --owner=airflow --group=root --mode=0775" in made


def test_everybody_calls_it_by_the_services_name() -> None:
    assert INIT["environment"][step.HOST] == "lab"
    options = _parser().parse_args(["run", "x", *LAB["command"]])
    assert (options.bind, options.control_name) == ("0.0.0.0", ["lab"])
    control = f"http://lab:{PORTS['lab control']}"
    assert LAB["environment"]["LAB_CONTROL"] == control
    assert LAB["healthcheck"]["test"][-1] == f"{control}/clock"


def test_it_has_no_secret_of_the_engine() -> None:
    assert "secrets" not in LAB
    assert not re.search(r"/run/secrets|AIRFLOW__", str(LAB))


def test_the_pages_commands_are_ones_that_the_lab_has() -> None:
    page = (ROOT / "docs" / "compose.md").read_text()
    commands = re.findall(r"--profile lab exec lab python -m lab ([^#\n]+)", page)
    assert len(commands) == 3
    for command in commands:
        _parser().parse_args(command.split())
    assert any(f"zone={entry['zone']}" in " ".join(commands) for entry in step.zones(load_blocklists()[0]))
