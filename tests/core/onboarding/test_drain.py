"""Draining a host: each IP goes where its risk class and the room allow it, and nothing else in the fleet file changes."""

import json
from datetime import date
from pathlib import Path

import pytest

from email_engine.cli import main
from email_engine.errors import InputError
from email_engine.fleet.parse import parse_fleet
from email_engine.onboarding.drain import DrainPlan, plan_drain
from email_engine.paths import CONFIG

SHIPPED = (CONFIG / "fleet.yaml").read_text(encoding="utf-8")
EXAMPLE = "".join(line for line in SHIPPED.splitlines(keepends=True) if "room_for" not in line)
TODAY = date(2026, 11, 20)
HOST = """  - name: {name}
    connection: powermta_{name}
    version: 5.0r5
"""
SINGLE = """          - address: 198.51.100.200
            hostname: mail200.aurora-mail.example
            domain: news200.aurora-mail.example
            vmta: aurora-200
            host: mta-1 # beside the range
            dkim: { selector: s1, key_path: /etc/pmta/dkim/x.pem }
"""


def fleet(*hosts: str, text: str = EXAMPLE) -> str:
    """The example with more hosts."""
    more = "".join(HOST.format(name=name) for name in hosts)
    return text.replace("mta_hosts:\n", f"mta_hosts:\n{more}", 1)


def planned(text: str, host: str = "mta-1", to: tuple[str, ...] = (), per_host: int = 50) -> DrainPlan:
    return plan_drain(text, "fleet.yaml", host, to, TODAY, per_host)


def test_both_tenants_move_whole_blocks_and_nothing_else_changes() -> None:
    text = fleet("mta-3")
    plan = planned(text)
    assert plan.counts == {"mta-3": 50}
    assert {move.ip.tenant for move in plan.moves} == {"aurora", "borealis"}
    before = {ip.address: ip for ip in parse_fleet(text, "fleet.yaml", today=TODAY).ips}
    after = {ip.address: ip for ip in parse_fleet(plan.text, "fleet.yaml", today=TODAY).ips}
    assert {ip.mta_host for ip in after.values()} == {"mta-2", "mta-3"}
    moved = {move.ip.address for move in plan.moves}
    assert all(after[address] == ip for address, ip in before.items() if address not in moved)
    assert len([row for row in plan.diff.splitlines() if row.startswith("+ ")]) == 2
    assert "# dealt in blocks" in plan.text


def test_a_range_that_is_left_with_one_host_names_it_once() -> None:
    plan = planned(fleet(), per_host=100)
    assert plan.counts == {"mta-2": 50}
    assert {ip.mta_host for ip in parse_fleet(plan.text, "fleet.yaml", today=TODAY).ips} == {"mta-2"}


def test_a_single_ip_keeps_its_comment() -> None:
    text = EXAMPLE.replace(
        "          - first: 198.51.100.1\n", f"{SINGLE}          - first: 198.51.100.1\n", 1
    )
    plan = planned(fleet("mta-3", text=text), per_host=60)
    assert "host: mta-3 # beside the range" in plan.text
    assert len(plan.moves) == 51


def test_the_named_hosts_take_them_in_their_order() -> None:
    plan = planned(fleet("mta-3", "mta-4"), to=("mta-4", "mta-3"), per_host=25)
    assert plan.counts == {"mta-4": 25, "mta-3": 25}


def test_without_room_it_says_how_many_hosts_are_missing_and_what_else_could_be_done() -> None:
    with pytest.raises(InputError) as refused:
        planned(fleet())
    told = str(refused.value)
    assert (
        "25 IPs from 198.51.100.1 on (standard) stand in one entry, and no host takes them (free: mta-2 0)"
        in told
    )
    assert "add 1 MTA host" in told
    assert "retire" in told


def test_a_host_with_more_room_of_its_own_takes_more() -> None:
    assert planned(SHIPPED).counts == {"mta-2": 50}


def test_risk_classes_stay_apart() -> None:
    """The only other host with room carries protected streams."""
    text = fleet("mta-3").replace("risk_class: standard", "risk_class: protected", 1)
    text = text.replace("hosts: [mta-1, mta-2] # dealt", "hosts: [mta-3] # dealt", 1)
    with pytest.raises(InputError, match=r"no host takes them|cannot name another host"):
        planned(text, "mta-1", to=("mta-3",), per_host=1000)


def test_an_address_that_is_bound_on_the_old_host_is_asked_for() -> None:
    text = fleet("mta-3").replace(
        "            count: 50\n", "            count: 50\n            bind_first: 10.0.0.5\n", 1
    )
    assert any("bind addresses of mta-1 (10.0.0.5 first)" in note for note in planned(text).notes)


@pytest.mark.parametrize(("host", "to"), [("mta-9", ()), ("mta-1", ("mta-9",))])
def test_an_unknown_host_is_told(host: str, to: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="'mta-9' is not in the fleet"):
        planned(fleet(), host, to)


def test_the_command_shows_and_writes_only_when_it_is_told_to(tmp_path: Path, capsys) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(fleet("mta-3"))
    assert main(["fleet", "drain", "mta-1", str(file)]) == 1
    assert "Nothing was written" in capsys.readouterr().out
    assert file.read_text() == fleet("mta-3")
    assert main(["fleet", "drain", "mta-1", str(file), "--write", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["written"], len(told["moves"])) == (True, 50)
    assert main(["fleet", "drain", "mta-1", str(file)]) == 0
    assert "mta-1 carries no IP." in capsys.readouterr().out
