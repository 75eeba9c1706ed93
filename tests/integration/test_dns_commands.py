"""`email-engine sweep` and `email-engine dns` against the lab's DNS world."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from email_engine import paths
from email_engine.cli import main
from email_engine.commands.sweep import read_keys
from lab.testing import RunningLab
from tests.dns_lab import PATIENCE, dns_lab

ZONES = str(paths.CONFIG / "blocklists.lab.yaml")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with dns_lab(tmp_path_factory.mktemp("lab")) as running:
        running.knob(
            "list_ip", ip="198.51.100.9", zone="zen.lab.example", codes=["127.0.0.3"], reason="snowshoe"
        )
        yield running


@pytest.fixture
def resolver(lab: RunningLab) -> list[str]:
    patience = [f"--{name}={value}" for name, value in PATIENCE.items()]
    return ["--resolver", f"127.0.0.1:{lab.world['dns']['port']}", *patience]


@pytest.fixture
def ips(tmp_path: Path) -> Path:
    file = tmp_path / "ips.txt"
    file.write_text("# the fleet\n198.51.100.9  # this one\n\n198.51.100.10\n198.51.100.9\n")
    return file


def verdicts(found: Any) -> dict[str, bool | None]:
    return {group: found[group]["valid"] for group in ("spf", "dkim", "dmarc", "ptr", "mx")}


def called(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_sweep_shows_listings_and_lists_not_believed(
    resolver: list[str], ips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = called(capsys, "sweep", "--zones", ZONES, "--ips", str(ips), *resolver)
    assert code == 1
    assert [x["list_name"] for x in found["lists"] if x["healthy"]] == ["zen-lab", "bl-lab"]
    assert found["listed"] == [
        {
            "ip": "198.51.100.9", "list": "zen-lab", "codes": ["127.0.0.3"], "sublists": ["CSS"], "class": "reputation",
            "severity": "high", "reason": "snowshoe",
        }
    ]  # fmt: skip
    assert found["asked"] == {"zen-lab": 2, "bl-lab": 2}
    assert "shut down" in found["not_asked"]["sorbs"]


def test_sweep_speaks_to_people_by_default(
    resolver: list[str], ips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--zones", ZONES, "--ips", str(ips), *resolver]) == 1
    text = capsys.readouterr().out
    assert "198.51.100.9 on zen-lab: CSS (127.0.0.3; reputation, high)  snowshoe" in text
    assert "public-lab: NOT BELIEVED: answer 127.255.255.254" in text


@pytest.mark.parametrize(
    ("words", "content", "mistake"),
    [
        (["--resolver", "8.8.8.8"], "198.51.100.9", "public or cloud resolver"),
        (["--resolver", "dns.example"], "198.51.100.9", "'dns.example'"),
        ([], "198.51.100.9\nnonsense\n300.1.1.1\n", "line 2: 'nonsense'; line 3: '300.1.1.1'"),
        (["--zones", "none.yaml"], "198.51.100.9", "none.yaml"),
    ],
    ids=["public resolver", "no address", "bad lines", "no file"],
)
def test_sweep_refuses_bad_input(
    words: list[str], content: str, mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ips.txt"
    file.write_text(content)
    assert main(["sweep", "--zones", ZONES, "--ips", str(file), *words]) == 2
    assert mistake in capsys.readouterr().err


def test_dns_of_a_well_kept_domain_is_fine(resolver: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ("dns", "news1.aurora-mail.example", "--ip", "198.51.100.1", "--selector", "s1", *resolver)
    code, found = called(capsys, *words)
    assert code == 0
    assert verdicts(found) == {"spf": True, "dkim": True, "dmarc": True, "ptr": True, "mx": True}
    assert found["ready"]["valid"] is True


def test_dns_names_what_is_broken_and_the_record_to_publish(
    resolver: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dns", "news1.aurora-mail.example", "--ip", "198.51.100.2", *resolver]) == 1
    text = capsys.readouterr().out
    assert "BROKEN (error)" in text
    assert "as far as DNS shows: Google NO, Yahoo NO, Microsoft NO" in text
    assert "DNS does not show: TLS, one-click unsubscribe, spam rate" in text
    assert 'publish  news1.aurora-mail.example. TXT "v=spf1 ip4:198.51.100.1 ip4:198.51.100.2 -all"' in text


def test_dns_without_an_ip_checks_the_domain_alone(
    resolver: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = called(capsys, "dns", "news1.aurora-mail.example", *resolver)
    assert code == 0
    assert verdicts(found) == {"spf": True, "dkim": None, "dmarc": True, "ptr": None, "mx": True}
    assert found["ready"]["valid"] is None


@pytest.mark.parametrize("words", [["dns", "no domain"], ["dns", "a.example", "--ip", "x"]])
def test_dns_refuses_bad_input(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "correct it" in capsys.readouterr().err


def test_keys_come_from_the_environment() -> None:
    assert read_keys("spamhaus=abc, abusix=def,junk") == {"spamhaus": "abc", "abusix": "def"}
    assert read_keys("") == {}
