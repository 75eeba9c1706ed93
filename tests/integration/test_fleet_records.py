"""`email-engine fleet records`: written, published in the lab's DNS, and found there again."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.zone
import pytest

from email_engine.cli import main
from email_engine.fleet.read import read_fleet
from email_engine.paths import CONFIG
from lab.testing import RunningLab, running_lab
from tests.dkim_keys import spki
from tests.dns_lab import PATIENCE, dns_lab
from tests.zone_server import ZoneAnswers, ZoneServer, zone_server

EXAMPLE = CONFIG / "fleet.yaml"
ONE = ("--domain", "news1.aurora-mail.example")
CHOSEN = ("--mx", "mail1.aurora-mail.example", "--rua", "dmarc@aurora-mail.example")
ALL = {"address", "ptr", "spf", "helo", "dkim", "dmarc", "report", "mx"}


def called(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["fleet", "records", str(EXAMPLE), *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def states(out: str) -> dict[str, str]:
    return {record["purpose"]: record["state"] for record in json.loads(out)["records"]}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    path.write_text(json.dumps({ip.domain: {ip.dkim_selector: spki()} for ip in read_fleet(EXAMPLE).ips}))
    return path


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[RunningLab]:
    """A DNS world that holds what stands in the zone files of the example fleet, and nothing else."""
    state = tmp_path_factory.mktemp("lab")
    words = ["--format", "zone", "--out", str(state / "zones"), "--keys", str(keys), *CHOSEN]
    assert main(["fleet", "records", str(EXAMPLE), *words]) == 0
    world = {
        "state": str(state),
        "control": {"port": 0},
        "dns": {"port": 0, "records": _published(state / "zones")},
    }
    with running_lab(world) as running:
        yield running


def _published(folder: Path) -> list[dict[str, Any]]:
    sets: dict[tuple[str, str], list[str]] = {}
    for file in sorted(folder.glob("*.zone")):
        zone = dns.zone.from_text(file.read_text(), f"{file.stem}.", relativize=False, check_origin=False)
        for name, _, rdata in zone.iterate_rdatas():
            text = b"".join(rdata.strings).decode() if hasattr(rdata, "strings") else rdata.to_text()
            sets.setdefault((name.to_text(), rdata.rdtype.name), []).append(text)
    return [{"name": name, "type": kind, "values": values} for (name, kind), values in sets.items()]


@pytest.fixture
def resolver(lab: RunningLab) -> list[str]:
    return [
        "--resolver",
        f"127.0.0.1:{lab.world['dns']['port']}",
        *(f"--{k}={v}" for k, v in PATIENCE.items()),
    ]


@pytest.fixture
def server() -> Iterator[ZoneServer]:
    with zone_server() as running:
        yield running


def test_what_was_written_and_published_is_missing_no_more(
    resolver: list[str], keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = called(capsys, "--missing", "--keys", keys, *CHOSEN, *resolver)
    assert (code, out) == (0, "")
    assert err == "800 published already\n"


@pytest.mark.parametrize(
    ("domain", "ip"),
    [("news1.aurora-mail.example", "198.51.100.1"), ("update50.borealis-mail.example", "203.0.113.50")],
)
def test_a_domain_that_was_published_so_is_ready_to_send(
    resolver: list[str], capsys: pytest.CaptureFixture[str], domain: str, ip: str
) -> None:
    assert main(["dns", domain, "--ip", ip, "--selector", "s1", "--json", *resolver]) == 0
    assert json.loads(capsys.readouterr().out)["ready"]["valid"] is True


def test_what_stands_there_is_kept_in_the_files_too(
    resolver: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = called(capsys, *ONE, "--json", *resolver)
    assert code == 0
    assert states(out) == dict.fromkeys(ALL, "kept")
    _, out, _ = called(capsys, *ONE, "--format", "octodns", *resolver)
    assert "exchange: mail1.aurora-mail.example." in out


BAD_DAYS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "nothing is there": ({}, dict.fromkeys(ALL, "publish") | {"dkim": "to be decided"}),
    "the domain does not answer": (
        {f"{below}news1.aurora-mail.example": "SERVFAIL" for below in ("", "_dmarc.", "s1._domainkey.")},
        dict.fromkeys(ALL - {"address", "ptr", "helo", "report"}, "unknown") | dict.fromkeys({"address", "ptr", "helo"}, "publish"),
    ),
    "two SPF records": (
        {"news1.aurora-mail.example": {"TXT": ["v=spf1 a -all", "v=spf1 mx -all"]}},
        dict.fromkeys(ALL, "publish") | {"dkim": "to be decided", "spf": "by hand"},
    ),
    "an alias at the domain": (
        {"news1.aurora-mail.example": {"CNAME": "site.hoster.example"}, "site.hoster.example": {"A": "203.0.113.80"}},
        dict.fromkeys(ALL, "publish") | {"dkim": "to be decided", "spf": "by hand", "mx": "by hand"},
    ),
    "somebody else's PTR": (
        {"1.100.51.198.in-addr.arpa": {"PTR": "ip-1.hoster.example"}},
        dict.fromkeys(ALL, "publish") | {"dkim": "to be decided"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("zones", "expected"), BAD_DAYS.values(), ids=BAD_DAYS)
def test_bad_days(
    server: ZoneServer, capsys: pytest.CaptureFixture[str], zones: dict[str, Any], expected: dict[str, str]
) -> None:
    server.use(ZoneAnswers(zones))
    where = ("--resolver", f"127.0.0.1:{server.port}", "--timeout=1.5")
    code, out, _ = called(capsys, *ONE, "--missing", "--json", *CHOSEN, *where)
    assert (code, states(out)) == (1, expected)


BROKEN: dict[tuple[str, str], dict[str, str]] = {
    ("spf", "missing"): {"spf": "publish"},
    ("spf", "wrong"): {"spf": "publish"},
    ("spf", "duplicate"): {"spf": "by hand"},
    ("spf", "servfail"): {"spf": "unknown"},
    ("dkim", "missing"): {"dkim": "to be decided"},
    ("dkim", "duplicate"): {"dkim": "to be decided"},
    ("dkim", "timeout"): {"dkim": "unknown"},
    ("dmarc", "missing"): {"dmarc": "publish"},
    ("dmarc", "wrong"): {"dmarc": "publish"},
    ("dmarc", "duplicate"): {"dmarc": "by hand"},
    ("dmarc", "servfail"): {"dmarc": "unknown"},
    ("ptr", "missing"): {"ptr": "publish"},
    ("ptr", "wrong"): {"ptr": "publish"},
    ("ptr", "duplicate"): {"ptr": "publish"},
    ("ptr", "timeout"): {"ptr": "unknown"},
    ("mx", "missing"): {},
    ("mx", "wrong"): {"mx": "to be decided"},
    ("mx", "duplicate"): {},
    ("mx", "servfail"): {"mx": "unknown"},
    ("helo", "missing"): {"address": "publish"},
    ("helo", "wrong"): {"address": "publish"},
    ("helo", "duplicate"): {},
    ("helo", "servfail"): {"address": "unknown", "mx": "unknown"},
}


@pytest.fixture(scope="module")
def kept_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """The lab's own domains, as the lab thinks that they are kept well."""
    with dns_lab(tmp_path_factory.mktemp("kept")) as running:
        yield running


@pytest.mark.parametrize(("what", "expected"), BROKEN.items(), ids=[" ".join(key) for key in BROKEN])
def test_of_a_well_kept_domain_only_what_broke_is_missing(
    kept_lab: RunningLab, capsys: pytest.CaptureFixture[str], what: tuple[str, str], expected: dict[str, str]
) -> None:
    where = ("--resolver", f"127.0.0.1:{kept_lab.world['dns']['port']}", "--timeout=0.7", "--tries=2")
    kept_lab.knob("break_record", domain="news1.aurora-mail.example", which=what[0], how=what[1])
    try:
        code, out, _ = called(capsys, *ONE, "--missing", "--json", *where)
    finally:
        kept_lab.knob("mend_record", domain="news1.aurora-mail.example")
    assert (code, states(out)) == (1 if expected else 0, expected)


def test_a_resolver_that_is_away_says_nothing_about_any_record(capsys: pytest.CaptureFixture[str]) -> None:
    with zone_server() as gone:
        port = gone.port
    code, out, err = called(capsys, *ONE, "--missing", "--resolver", f"127.0.0.1:{port}", "--timeout=0.2")
    assert code == 1
    assert "7 unknown" in err
    assert out.count("publish nothing yet") == 7
    assert f"The resolver 127.0.0.1:{port} answered nothing" in err
    assert "EMAIL_ENGINE_RESOLVER" in err


def test_a_zone_cut_is_asked_for(server: ZoneServer, capsys: pytest.CaptureFixture[str]) -> None:
    soa = {"SOA": "ns.hoster.example. host.hoster.example. 1 2 3 4 5"}
    server.use(ZoneAnswers({"news1.aurora-mail.example": soa, "aurora-mail.example": soa}))
    _, out, _ = called(capsys, *ONE, "--format", "zone", "--resolver", f"127.0.0.1:{server.port}")
    heads = [line.split()[1] for line in out.splitlines() if "written by email-engine" in line]
    assert heads == ["100.51.198.in-addr.arpa:", "aurora-mail.example:", "news1.aurora-mail.example:"]


def test_without_a_resolver_nobody_is_asked_and_the_command_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = called(capsys, *ONE)
    assert code == 0
    rows = [line.split(maxsplit=3) for line in out.splitlines()]
    assert ["news1.aurora-mail.example.", "TXT", "3600", '"v=spf1 ip4:198.51.100.1 -all"'] in rows
    assert err.startswith("Nobody was asked what stands in DNS")


@pytest.mark.parametrize(
    ("narrow", "count"),
    [(("--tenant", "aurora"), 50), (("--ip", "203.0.113.7"), 1), (("--tenant", "aurora", "--stream", "newsletter"), 50),
     (("--domain", "News1.Aurora-Mail.example."), 1)],
    ids=["tenant", "IP", "stream", "domain"],
)  # fmt: skip
def test_the_fleet_is_narrowed(
    capsys: pytest.CaptureFixture[str], narrow: tuple[str, ...], count: int
) -> None:
    _, out, _ = called(capsys, *narrow, "--format", "csv")
    assert sum(row["type"] == "PTR" for row in csv.DictReader(io.StringIO(out))) == count


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--tenant", "nobody"), "--tenant: no IP of the fleet has tenant 'nobody'"),
        (
            ("--tenant", "aurora", "--ip", "203.0.113.7"),
            "--ip: no IP of the fleet with --tenant aurora has address",
        ),
        (("--ip", "x"), "--ip: "),
        (("--domain", "x"), "--domain: 'x': one label is no domain"),
        (("--keys", "/nowhere"), "/nowhere: No such file"),
        (("--rua", "x"), "--rua: 'x'"),
        (("--mx", "192.0.2.1"), "--mx: '192.0.2.1': an IP address is no domain"),
        (("--missing", "--resolver", "x"), "--resolver"),
        (("--format", "zone", "--name-server", "ns.aurora-mail.example"), "lies in zone aurora-mail.example"),
    ],
)
def test_input_that_is_none_is_refused(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    code, out, err = called(capsys, *words)
    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("--format", "zone"), ["100.51.198.in-addr.arpa.zone", "aurora-mail.example.zone"]),
        (("--format", "octodns"), ["100.51.198.in-addr.arpa.yaml", "aurora-mail.example.yaml"]),
        (("--format", "table"), ["records.txt"]),
        (("--format", "csv"), ["records.csv"]),
        (("--json",), ["records.json"]),
    ],
    ids=["zone", "octodns", "table", "csv", "json"],
)
def test_files_are_written_and_none_of_others_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], names: list[str]
) -> None:
    code, out, _ = called(capsys, *ONE, *words, "--out", tmp_path)
    assert (code, out.splitlines()) == (0, [f"written: {tmp_path / name}" for name in names])
    (tmp_path / names[-1]).write_text("mine\n")
    code, _, err = called(capsys, *ONE, *words, "--out", tmp_path)
    assert code == 2
    assert f"{names[-1]}: not written by this command, or changed since" in err
    assert called(capsys, *ONE, *words, "--out", tmp_path, "--force")[0] == 0
    assert (tmp_path / names[-1]).read_text() != "mine\n"
