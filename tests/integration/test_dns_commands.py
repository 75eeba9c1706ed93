"""`email-engine dns` against the lab's DNS world."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from email_engine.cli import main
from lab.testing import RunningLab
from tests.dns_lab import PATIENCE, dns_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with dns_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def resolver(lab: RunningLab) -> list[str]:
    patience = [f"--{name}={value}" for name, value in PATIENCE.items()]
    return ["--resolver", f"127.0.0.1:{lab.world['dns']['port']}", *patience]


def verdicts(found: Any) -> dict[str, bool | None]:
    return {group: found[group]["valid"] for group in ("spf", "dkim", "dmarc", "ptr", "mx")}


def called(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


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
