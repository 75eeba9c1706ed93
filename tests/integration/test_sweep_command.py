"""`email-engine sweep` against a real rbldnsd, a list that misbehaves, and the lab's sick lists."""

import json
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from email_engine import paths
from email_engine.cli import main
from email_engine.commands.sweep import read_keys
from tests.dns_lab import PATIENCE, dns_lab
from tests.rbldnsd import serving

CODES = "{127.0.0.2: {sublist: SBL, class: reputation, severity: high}, 127.0.0.10: {sublist: PBL, class: policy, severity: info}}"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """`zen`: 198.51.100.9 and .121; `odd`: a strange code beside a known one, and one that refuses us; `dbl`: domains."""
    zones = {
        "zen.example": ["127.0.0.2", "198.51.100.9", "198.51.100.121", "198.51.100.30:127.0.0.10:policy"],
        "odd.example": [
            "127.0.0.2", "198.51.100.9", "198.51.100.9:127.0.0.77:strange", "198.51.100.50:127.255.255.254:Error: open resolver",
        ],
    }  # fmt: skip
    with serving(tmp_path_factory.mktemp("zones"), zones, {"dbl.example": ["test", "bad.example"]}) as found:
        yield found


@pytest.fixture
def sweep(port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any]]:
    """Writes the files, runs the command with `--json`: exit code and what it printed."""

    def run(ips: str | bytes, lists: str = "zen", *words: str, domains: str = "") -> tuple[int, Any]:
        file, zones = tmp_path / "ips.txt", tmp_path / "zones.yaml"
        file.write_bytes(ips if isinstance(ips, bytes) else ips.encode())
        zones.write_text("lists:\n" + "".join(LISTS[name] for name in lists.split()))
        given = ["--ips", str(file)] if ips else []
        if domains:
            (tmp_path / "domains.txt").write_text(domains)
            given += ["--domains", str(tmp_path / "domains.txt")]
        patience = [f"--{name}={value}" for name, value in PATIENCE.items()]
        code = main(
            ["sweep", "--zones", str(zones), *given, "--resolver", f"127.0.0.1:{port}", *patience, *words]
        )
        out = capsys.readouterr()
        return code, (json.loads(out.out) if "--json" in words else out.out + out.err)

    return run


LISTS = {
    "zen": f"  - {{name: zen, zone: zen.example, codes: {CODES}}}\n",
    "odd": f"  - {{name: odd, zone: odd.example, codes: {CODES}}}\n",
    "dbl": f"  - {{name: dbl, zone: dbl.example, lists: domains, codes: {CODES}}}\n",
    "keyed": "  - {name: keyed, zone: keyed.example, key: secret, keyed_zone: '{key}.keyed.example', key_required: true,"
    f" codes: {CODES}}}\n",
    "dead": "  - {name: dead, zone: dead.example, status: retired, message: shut down in 2024}\n",
    "gone": f"  - {{name: gone, zone: gone.example, codes: {CODES}}}\n",
}


def verdicts(found: Any) -> dict[tuple[str, str], str]:
    return {(row.get("ip") or row["domain"], row["list"]): row["verdict"] for row in found["results"]}


def test_every_pair_has_a_row_and_a_listing_its_codes_and_reason(sweep: Any) -> None:
    code, found = sweep(
        "198.51.100.9 # this one\n\n198.51.100.10\n198.51.100.30\n198.51.100.9\n", "zen", "--json"
    )
    assert code == 1
    assert found["lists"] == [{"name": "zen", "health": "healthy", "reason": ""}]
    assert found["results"] == [
        {
            "ip": "198.51.100.9", "list": "zen", "verdict": "listed", "codes": ["127.0.0.2"], "sublists": ["SBL"],
            "classes": ["reputation"], "severity": "high", "reason": "Listed, see https://bl.example/?ip=198.51.100.9",
        },
        {
            "ip": "198.51.100.10", "list": "zen", "verdict": "not_listed", "codes": [], "sublists": [], "classes": [],
            "severity": None, "reason": "",
        },
        {
            "ip": "198.51.100.30", "list": "zen", "verdict": "listed", "codes": ["127.0.0.10"], "sublists": ["PBL"],
            "classes": ["policy"], "severity": "info", "reason": "policy",
        },
    ]  # fmt: skip


def test_everything_asked_and_nothing_listed_is_exit_0_beside_retired_and_keyless_lists(sweep: Any) -> None:
    code, found = sweep("198.51.100.10", "zen keyed dead dbl", "--json")
    assert code == 0
    assert {x["name"]: x["health"] for x in found["lists"]} == {
        "zen": "healthy", "keyed": "not_asked", "dead": "retired", "dbl": "not_asked",
    }  # fmt: skip
    assert verdicts(found) == {
        ("198.51.100.10", "zen"): "not_listed", ("198.51.100.10", "keyed"): "unknown", ("198.51.100.10", "dead"): "unknown",
    }  # fmt: skip


@pytest.mark.parametrize("lists", ["keyed", "dead", "keyed dead", "dbl"])
def test_when_nothing_could_be_asked_it_says_so(sweep: Any, lists: str) -> None:
    code, text = sweep("198.51.100.10", lists)
    assert code == 1
    assert "nothing is known: nothing was asked" in text
    assert "nothing was asked: " + lists.split()[0] in text


def test_one_refusal_loses_no_listing_and_the_order_of_the_file_nothing(sweep: Any) -> None:
    ips = [f"198.51.100.{n}" for n in range(1, 61)]
    code, forward = sweep("\n".join(ips), "odd", "--json")
    _, backward = sweep("\n".join(reversed(ips)), "odd", "--json")
    assert code == 1
    assert verdicts(forward) == verdicts(backward)
    assert verdicts(forward)["198.51.100.9", "odd"] == "listed"
    (refused,) = [row for row in forward["results"] if row["verdict"] == "unknown"]
    assert (refused["ip"], "public resolver" in refused["reason"]) == ("198.51.100.50", True)
    assert forward["lists"][0]["health"] == "sick"
    assert "public resolver" in forward["lists"][0]["reason"]
    assert "198.51.100.50 on odd: UNKNOWN: answer 127.255.255.254" in sweep("\n".join(ips), "odd")[1]


def test_a_strange_code_beside_a_known_one_is_shown(sweep: Any) -> None:
    (row,) = sweep("198.51.100.9", "odd", "--json")[1]["results"]
    assert (row["verdict"], row["codes"], row["sublists"]) == (
        "listed", ["127.0.0.2", "127.0.0.77"], ["SBL", "unknown code 127.0.0.77"],
    )  # fmt: skip


def test_ipv6_of_a_list_without_it_is_not_asked_and_mapped_is_ipv4(sweep: Any) -> None:
    code, found = sweep("2001:db8::25\n::ffff:198.51.100.9\n", "zen", "--json")
    assert code == 1
    six, mapped = found["results"]
    assert (six["verdict"], six["reason"]) == ("unknown", "not asked: the list has no IPv6 addresses")
    assert (mapped["ip"], mapped["verdict"]) == ("198.51.100.9", "listed")
    code, text = sweep("2001:db8::25", "zen")
    assert code == 1
    assert "UNKNOWN: not asked: the list has no IPv6 addresses" in text
    assert "no listing\n" not in text


def test_domains_are_asked_of_lists_of_domains(sweep: Any) -> None:
    code, found = sweep(
        "198.51.100.10", "zen dbl", "--json", domains="good.example\nBAD.example.\nb\u00fccher.example\n"
    )
    assert code == 1
    assert verdicts(found) == {
        ("198.51.100.10", "zen"): "not_listed", ("good.example", "dbl"): "not_listed", ("bad.example", "dbl"): "listed",
        ("xn--bcher-kva.example", "dbl"): "not_listed",
    }  # fmt: skip
    assert sweep("", "dbl", "--json", domains="good.example")[0] == 0


def test_a_list_that_is_not_served_here_is_sick(sweep: Any) -> None:
    code, found = sweep("198.51.100.10", "zen gone", "--json")
    assert code == 1
    assert found["lists"][1] == {
        "name": "gone",
        "health": "sick",
        "reason": "probe of a name that cannot be listed: refused",
    }
    assert found["results"][1]["reason"].startswith("not asked: probe of")


@pytest.mark.parametrize(
    "octets",
    [
        b"\xef\xbb\xbf198.51.100.9\r\n",
        "198.51.100.9\n".encode("utf-16"),
        b"\xfe\xff" + "198.51.100.9\n".encode("utf-16-be"),
    ],
    ids=["utf-8 with a mark", "utf-16", "utf-16 big end first"],
)
def test_files_of_other_programs_are_read(sweep: Any, octets: bytes) -> None:
    assert [row["verdict"] for row in sweep(octets, "zen", "--json")[1]["results"]] == ["listed"]


def test_people_see_every_pair_when_they_ask_for_all(sweep: Any) -> None:
    short, every = (
        sweep("198.51.100.9\n198.51.100.10", "zen")[1],
        sweep("198.51.100.9\n198.51.100.10", "zen", "--all")[1],
    )
    assert (
        "198.51.100.9 on zen: SBL (127.0.0.2; reputation, high)  Listed, see https://bl.example/?ip=198.51.100.9"
        in short
    )
    assert "198.51.100.10" not in short
    assert "198.51.100.10 on zen: not listed" in every


@pytest.mark.parametrize(
    ("ips", "words", "mistake"),
    [
        ("198.51.100.9", ["--resolver", "8.8.8.8"], "public or cloud resolver"),
        ("198.51.100.9", ["--resolver", "dns.example"], "'dns.example'"),
        ("198.51.100.9", ["--resolver", "127.0.0.1:99999"], "--resolver: '127.0.0.1:99999'; expected an IP address, with :port (1"),
        ("198.51.100.9\nnonsense\n300.1.1.1\n", [], "line 2: 'nonsense'; line 3: '300.1.1.1'"),
        ("127.0.0.2", [], "line 1: 127.0.0.2 is a loopback address"),
        ("10.0.0.1\n224.0.0.1\nfe80::1\n::ffff:10.1.1.1", [], "line 4: 10.1.1.1 is a private or reserved address"),
        ("# none\n\n", [], "no IP address in it"),
        (b"\xff198.51", [], "neither UTF-8 nor UTF-16"),
        ("198.51.100.9".encode("utf-16-le"), [], "zero bytes"),
        ("198.51.100.9", ["--confirm-after", "-1"], "--confirm-after: -1; expected 0 to 600 seconds"),
        ("198.51.100.9", ["--confirm-after", "nan"], "--confirm-after: nan"),
        ("198.51.100.9", ["--confirm-after", "inf"], "--confirm-after: inf"),
        ("198.51.100.9", ["--timeout", "nan"], "--timeout: nan; expected more than 0 to 60 seconds"),
        ("198.51.100.9", ["--timeout", "0"], "--timeout: 0"),
        ("198.51.100.9", ["--tries", "0"], "--tries: 0; expected 1 to 20"),
        ("198.51.100.9", ["--zones", "none.yaml"], "none.yaml"),
        ("", [], "neither --ips nor --domains"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isascii() and value.isprintable() else "",
)  # fmt: skip
def test_bad_input_is_refused(sweep: Any, ips: str | bytes, words: list[str], mistake: str) -> None:
    code, text = sweep(ips, "zen", *words)
    assert code == 2
    assert mistake in text
    assert "Next: " in text


@pytest.mark.parametrize(
    "domain", ["no domain", "198.51.100.9", "example", "a..example", "-a.example", "x" * 64 + ".example"]
)
def test_what_is_no_domain_is_refused(sweep: Any, domain: str) -> None:
    code, text = sweep("", "dbl", domains=f"good.example\n{domain}\n")
    assert code == 2
    assert "line 2: " in text


def test_the_lab_s_sick_lists_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ips.txt").write_text("198.51.100.9\n198.51.100.10\n")
    with dns_lab(tmp_path / "lab") as lab:
        lab.knob(
            "list_ip", ip="198.51.100.9", zone="zen.lab.example", codes=["127.0.0.3"], reason="snow\u202eshoe"
        )
        words = ["--zones", str(paths.CONFIG / "blocklists.lab.yaml"), "--ips", str(tmp_path / "ips.txt")]
        words += [
            "--resolver",
            f"127.0.0.1:{lab.world['dns']['port']}",
            *(f"--{k}={v}" for k, v in PATIENCE.items()),
        ]
        assert main(["sweep", *words]) == 1
        text = capsys.readouterr().out
    assert "198.51.100.9 on zen-lab: CSS (127.0.0.3; reputation, high)  snow\ufffdshoe" in text
    for sick in (
        "public-lab: NOT BELIEVED: answer 127.255.255.254", "dead-lab: NOT BELIEVED: it lists", "silent-lab: NOT BELIEVED: probe of",
        "empty-lab: NOT BELIEVED: its test point 127.0.0.2 is not listed", "servfail-lab: NOT BELIEVED: probe of",
    ):  # fmt: skip
        assert sick in text
    assert "sorbs: not asked: retired: SORBS was shut down" in text


def test_keys_come_from_the_environment() -> None:
    assert read_keys("spamhaus=abc, abusix=def,junk") == {"spamhaus": "abc", "abusix": "def"}


def test_the_limits_of_a_list_are_kept(sweep: Any) -> None:
    """Two a second, so the answers are whole all the same."""
    LISTS["slow"] = LISTS["zen"].replace("codes:", "limits: {a_second: 2}, codes:")
    addresses = [str(ip_address("198.51.100.7") + n) for n in range(4)]
    code, found = sweep("\n".join(addresses), "slow", "--json")
    assert code == 1
    assert list(verdicts(found).values()) == ["not_listed", "not_listed", "listed", "not_listed"]
    assert found["seconds"] >= 0.9
