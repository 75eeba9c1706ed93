"""The lab's world is made from the fleet: hosts behind NAT have what the fleet binds, and the world sees the public addresses."""

from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from email_engine.dnsauth.dkim import public_key_of
from email_engine.fleet.parse import parse_fleet
from email_engine.paths import CONFIG
from lab.world import parse_world
from stack.world import _powermta, ensure_dkim_key, place_dkim_keys


def test_a_host_behind_nat_has_only_its_own_addresses(tmp_path: Path) -> None:
    example = (CONFIG / "fleet.yaml").read_text()
    text = example.replace(
        "            count: 50\n", "            count: 50\n            bind_first: 10.0.0.1\n", 1
    )
    settings: Any = SimpleNamespace(lab=tmp_path, ports=defaultdict(int))
    (tmp_path / "keys").mkdir()
    world = {"state": str(tmp_path), "powermta": _powermta(settings, parse_fleet(text, "fleet.yaml"))}
    first, second = parse_world(world).powermta
    assert [str(ip) for ip in first.ips[:2]] == ["10.0.0.1", "10.0.0.2"]
    assert {str(local): str(public) for local, public in second.nat.items()} == {
        f"10.0.0.{n}": f"198.51.100.{n}" for n in range(26, 51)
    }
    assert {str(ip) for ip in second.ips} - {str(ip) for ip in second.nat} == {
        f"203.0.113.{n}" for n in range(26, 51)
    }


def test_hosts_have_the_keys_whose_public_halves_dns_has(tmp_path: Path) -> None:
    fleet = parse_fleet((CONFIG / "fleet.yaml").read_text(), "fleet.yaml")
    settings: Any = SimpleNamespace(lab=tmp_path)
    public = {tenant.name: ensure_dkim_key(tmp_path / "dkim", tenant.name) for tenant in fleet.tenants}
    place_dkim_keys(settings, fleet)
    for ip in (fleet.ips[0], fleet.ips[-1]):
        file = tmp_path / ip.mta_host / "etc/pmta/dkim" / f"{ip.domain}.pem"
        assert public_key_of(file.read_bytes()) == public_key_of(public[ip.tenant].read_bytes())
        assert file.stat().st_mode & 0o777 == 0o640
    rotated = tmp_path / fleet.ips[0].mta_host / "etc/pmta/dkim" / f"{fleet.ips[0].domain}.pem"
    rotated.write_text("another key")
    place_dkim_keys(settings, fleet)
    assert rotated.read_text() == "another key"
