"""The lab's world is made from the fleet: hosts behind NAT have what the fleet binds, and the world sees the public addresses."""

from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from email_engine.fleet.parse import parse_fleet
from email_engine.paths import CONFIG
from lab.world import parse_world
from stack.world import _powermta


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
