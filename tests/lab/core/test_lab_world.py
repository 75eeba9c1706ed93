"""WORLD.json is read strictly, and every mistake is told at once."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lab.dns.lists import ListKind
from lab.ports import fill_ports
from lab.testing import example_world
from lab.world import ClockConfig, WorldError, parse_world, read_world, start_of


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return example_world(
        tmp_path_factory.mktemp("world"),
        tenants=("aurora", "borealis"),
        hosts=2,
        database_url="postgresql://nowhere/x",
    )


def copy_of(world: dict[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(world))
    return copied


def test_the_example_world_is_valid_and_whole(example: dict[str, Any]) -> None:
    world = parse_world(example)
    assert world.dns is not None
    assert world.telegram is not None
    assert [host.name for host in world.powermta] == ["mta-1", "mta-2"]
    assert [len(host.ips) for host in world.powermta] == [4, 4]
    assert [part.name for part in world.mailwizz] == ["mw-aurora", "mw-borealis"]
    assert len(world.dns.domains) == 8
    assert {block_list.zone: block_list.kind for block_list in world.dns.lists}[
        "zen.lab.example"
    ] is ListKind.ZEN


@pytest.mark.parametrize("kept", ["powermta", "dns", "telegram", "mailwizz"])
def test_each_part_may_stand_alone(example: dict[str, Any], kept: str) -> None:
    assert parse_world({"state": example["state"], kept: example[kept]})


def test_a_world_of_nothing_but_a_state_folder_is_a_world() -> None:
    assert parse_world({"state": "somewhere"}).dns is None


def _set(*path: Any, to: Any) -> Any:
    def change(world: dict[str, Any]) -> None:
        place: Any = world
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(lambda world: world.pop("state"), "state: is missing", id="no state"),
        pytest.param(_set("dsn", to={}), "dsn: no such key", id="unknown part"),
        pytest.param(_set("dns", "lists", 0, "kind", to="ill"), "dns.lists[0].kind: ", id="unknown kind"),
        pytest.param(_set("dns", "lists", 0, "zone", to="Zen"), "dns.lists[0].zone: ", id="zone"),
        pytest.param(_set("dns", "domains", 0, "ip", to="1.2.3"), "dns.domains[0].ip", id="address"),
        pytest.param(
            _set("dns", "domains", 0, "dkim_public_key_file", to="gone.pem"),
            "dns.domains[0].dkim_public_key_file: Path does not point to a file (given: 'gone.pem')",
            id="key file",
        ),
        pytest.param(_set("powermta", 0, "ssh_port", to=70000), "powermta[0].ssh_port: ", id="port"),
        pytest.param(
            _set("powermta", 1, "ips", to=["198.51.100.1"]),
            "powermta[1].ips: address 198.51.100.1 is taken by powermta[0].ips",
            id="address twice",
        ),
        pytest.param(
            _set("powermta", 1, "nat", to={"198.51.100.3": "198.51.100.1"}),
            "powermta[1].nat: address 198.51.100.1 is taken by powermta[0].ips",
            id="public address twice",
        ),
        pytest.param(
            _set("powermta", 1, "nat", to={"10.0.0.5": "203.0.113.9"}),
            "powermta[1].nat: 10.0.0.5 is not in powermta[1].ips",
            id="a NAT for an address that the host does not have",
        ),
        pytest.param(
            lambda world: (_set("powermta", 1, "name", to="mta-1")(world), world.pop("mailwizz")),
            "powermta[1].name: host name mta-1 is taken by powermta[0].name",
            id="host twice",
        ),
        pytest.param(
            _set("dns", "lists", 1, "zone", to="zen.lab.example"),
            "zone zen.lab.example is taken",
            id="zone twice",
        ),
        pytest.param(
            lambda world: (_set("dns", "port", to=5300)(world), _set("telegram", "port", to=5300)(world)),
            "telegram.port: port 5300 is taken by dns.port",
            id="port twice",
        ),
        pytest.param(
            _set("mailwizz", 0, "servers", 0, "hostname", to="mta-9"),
            "mailwizz[0].servers[0].hostname: no PowerMTA host 'mta-9'; there are: mta-1, mta-2",
            id="server of no host",
        ),
        pytest.param(
            _set("mailwizz", 0, "database_url", to=""),
            "mailwizz[mw-aurora].database_url: missing",
            id="database",
        ),
        pytest.param(
            _set("traffic", to={"gmail": {"luck": 1}}), "traffic.gmail: got an unexpected", id="unknown rate"
        ),
        pytest.param(
            _set("clock", to={"mode": "manual"}), "clock.start: a manual clock needs one", id="no start"
        ),
        pytest.param(
            _set("clock", to={"mode": "manual", "start": "2026-11-01T00:00:00+00:00", "replay_days": 2}),
            "clock.replay_days: only with mode real",
            id="replay by hand",
        ),
        pytest.param(
            _set("clock", to={"mode": "manual", "start": "2026-11-01T00:00:00"}),
            "clock.start: ",
            id="naive start",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(example: dict[str, Any], change: Any, told: str) -> None:
    world = copy_of(example)
    change(world)
    with pytest.raises(WorldError) as error:
        parse_world(world, "world.json")
    assert len(error.value.mistakes) == 1
    assert told in error.value.mistakes[0]


def test_all_mistakes_come_at_once(example: dict[str, Any]) -> None:
    world = copy_of(example)
    world["powermta"][0]["ssh_port"] = -1
    world["dns"]["lists"][0]["kind"] = "ill"
    world["mailwizz"][0]["name"] = ""
    with pytest.raises(WorldError, match=r"^world.json: \d mistakes\n  ") as error:
        parse_world(world, "world.json")
    assert len(error.value.mistakes) >= 3


@pytest.mark.parametrize(
    ("text", "told"),
    [(None, "cannot be read: No such file"), ("{", "is not JSON"), ("[]", "must be a JSON object")],
)
def test_a_file_that_is_no_world_is_told(tmp_path: Path, text: str | None, told: str) -> None:
    file = tmp_path / "world.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(WorldError, match=told):
        read_world(file)


def test_free_ports_are_filled_in_and_the_others_kept(example: dict[str, Any]) -> None:
    world = copy_of(example)
    world["telegram"]["port"] = 4711
    filled = fill_ports(world)
    ports = [
        filled["control"]["port"],
        filled["dns"]["port"],
        *(host["ssh_port"] for host in filled["powermta"]),
        *(part["port"] for part in filled["mailwizz"]),
    ]
    assert filled["telegram"]["port"] == 4711
    assert len(set(ports)) == len(ports)
    assert all(ports)
    assert world["dns"]["port"] == 0


NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("clock", "start"),
    [
        (ClockConfig(), None),
        (ClockConfig(replay_days=2), datetime(2026, 11, 18, tzinfo=UTC)),
        (ClockConfig(mode="manual", start=NOON), NOON),
    ],
    ids=["real", "replay", "manual"],
)
def test_the_clock_starts_where_it_should(clock: ClockConfig, start: datetime | None) -> None:
    assert start_of(clock, NOON) == start


def test_hosts_behind_nats_of_their_own_may_have_the_same_address(example: dict[str, Any]) -> None:
    world = copy_of(example)
    for number, host in enumerate(world["powermta"]):
        host["ips"], host["nat"] = ["10.0.0.5"], {"10.0.0.5": f"198.51.100.{number + 1}"}
    first, second = parse_world(world).powermta
    assert first.ips == second.ips
    assert [str(public) for host in (first, second) for public in host.nat.values()] == [
        "198.51.100.1",
        "198.51.100.2",
    ]
