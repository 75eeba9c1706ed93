"""What the engine renders, imports as the fleet that it was rendered from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from email_engine.adoption.adopt import Wishes, adopt
from email_engine.cli import main
from email_engine.fleet.read import read_fleet
from email_engine.pmta.language.assembly import assemble
from email_engine.pmta.language.compare import compare
from tests.core.adoption.drafts import filled, fleet_of

EXAMPLE = Path(__file__).resolve().parents[3] / "include/config/fleet.yaml"
Render = Callable[[Path, str], str]


@pytest.fixture
def render(capsys: pytest.CaptureFixture[str]) -> Render:
    def rendered(fleet: Path, host: str) -> str:
        assert main(["render", "--fleet", str(fleet), "--host", host]) == 0
        return capsys.readouterr().out

    return rendered


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "single"])
@pytest.mark.parametrize("host", ["mta-1", "mta-2"])
def test_a_rendered_configuration_imports_and_renders_the_same(
    tmp_path: Path, render: Render, host: str, ranges: bool
) -> None:
    before = render(EXAMPLE, host)
    adoption = adopt(assemble(before, "email-engine.conf"), Wishes(120, host=host, ranges=ranges))
    assert adoption.gaps == ()
    assert (adoption.ips, adoption.vmtas, adoption.pools, adoption.tenants) == (50, 50, 2, 2)
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(filled(adoption.fleet, warming=("41-47",)))
    if not ranges:
        fleet.write_text(_states_of(EXAMPLE, fleet.read_text()))
    assert compare(assemble(before), assemble(render(fleet, host))) == ()


def _states_of(fleet: Path, draft: str) -> str:
    """Single entries with the states that the fleet has."""
    warming = {str(ip.address) for ip in read_fleet(fleet).ips if ip.initial_state == "warming"}
    entries = draft.split("          - address: ")
    return "          - address: ".join(
        entry.replace("state: standby", "state: warming") if entry.split()[0] in warming else entry
        for entry in entries
    )


def test_what_is_taken_is_what_the_fleet_said(render: Render) -> None:
    adoption = adopt(assemble(render(EXAMPLE, "mta-1")), Wishes(120, host="mta-1"))
    wanted = {ip.address: ip for ip in read_fleet(EXAMPLE).ips if ip.mta_host == "mta-1"}
    found = {ip.address: ip for ip in fleet_of(adoption.fleet).ips}
    assert found.keys() == wanted.keys()
    for address, ip in found.items():
        for name in (
            "hostname",
            "domain",
            "tenant",
            "stream",
            "vmta",
            "pool",
            "dkim_selector",
            "dkim_key_path",
        ):
            assert getattr(ip, name) == getattr(wanted[address], name)
        assert (ip.daily_target, ip.initial_state) == (
            wanted[address].daily_target,
            wanted[address].initial_state,
        )


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ('first: 192.0.2.200, count: 90, hostname: "h{n}.example.com", domain: "d{n}.example.com", vmta: "v{n}"', 1),
        ('first: 192.0.2.1, count: 9, number_from: 0, hostname: "0{n}.example.com", domain: "x.{n}.example.com", vmta: "v0{n}-a"', 1),
        ('first: 2001:db8::1, count: 40, number_from: 95, hostname: "h{n}.example.com", domain: "{n}.example.com", vmta: "1v{n}"', 1),
        ('first: 192.0.2.1, count: 30, prefixes: [a, b-c, d], hostname: "h{n}.example.com", domain: "{prefix}{n}.example.com", vmta: "v{n}"', 1),
    ],
    ids=["across a border", "padded", "IPv6", "turning prefixes"],
)  # fmt: skip
def test_a_range_comes_back_as_one_range(tmp_path: Path, render: Render, lines: str, text: int) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(
        f"""
version: 1
mta_hosts: [{{name: mta-1, version: 5.0r5}}]
mailwizz: [{{name: mw-t, tenant: t}}]
tenants:
  - name: t
    mode: act
    daily_quota: 100000
    streams:
      - {{name: s, consent: opt-in, risk_class: standard, mailwizz: mw-t, schedule: six_week, daily_target: 500, ips: [
          {{{lines}, hosts: [mta-1], mailwizz_first_server_id: 1, states: {{active: "{_numbers(lines)}"}},
            dkim: {{selector: s1, key_path: "/k/{{domain}}.pem"}}}}]}}
"""
    )
    before = render(fleet, "mta-1")
    adoption = adopt(assemble(before), Wishes(120))
    assert adoption.fleet.count("- first: ") == text
    assert "- address: " not in adoption.fleet
    fleet.write_text(filled(adoption.fleet))
    assert compare(assemble(before), assemble(render(fleet, "mta-1"))) == ()


def _numbers(lines: str) -> str:
    said = dict(part.split(": ", 1) for part in lines.split(", ") if ": " in part)
    start = int(said.get("number_from", 1))
    return f"{start}-{start + int(said['count']) - 1}"


def test_a_fleet_behind_nat_comes_back_with_its_public_addresses_to_fill_in(
    tmp_path: Path, render: Render
) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(
        EXAMPLE.read_text().replace(
            "            count: 50\n", "            count: 50\n            bind_first: 10.7.0.1\n", 1
        )
    )
    before = render(fleet, "mta-2")
    adoption = adopt(assemble(before, "email-engine.conf"), Wishes(120, host="mta-2"))
    assert adoption.gaps == ()
    assert adoption.fill_in["address"] == 25
    assert {str(ip.bind_address) for ip in fleet_of(adoption.fleet).ips if ip.tenant == "aurora"} == {
        f"10.7.0.{n}" for n in range(26, 51)
    }
    assert {ip.bind_address for ip in fleet_of(adoption.fleet).ips if ip.tenant == "borealis"} == {None}
