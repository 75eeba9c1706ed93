"""`email-engine fleet adopt` from files that were brought, on uneven ground."""

import gzip
import json
import re
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from email_engine.cli import main
from tests.adopted_fleet import FIRST, HEADER, LAST, HandIp, configuration, write_accounting

WARM = HandIp("news-1", "198.51.100.1", "1200/d", sent=(1000,), pool="news")
NEW = HandIp("news-2", "198.51.100.2", "1200/d", sent=(0,), pool="news")
RAMP = HandIp("news-3", "198.51.100.3", "1200/d", sent=(50,) * 20 + (100,), pool="news")
SAID = (
    "--tenant", "aurora", "--purpose", "letters", "--consent", "opt-in", "--risk-class", "standard", "--as-of", "2026-11-30",
)  # fmt: skip
Adopt = Callable[..., tuple[int, Any]]


@pytest.fixture
def adopt(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Adopt:
    monkeypatch.delenv("EMAIL_ENGINE_CONNECTIONS", raising=False)

    def run(*words: str) -> tuple[int, Any]:
        code = main(["fleet", "adopt", *SAID, "--json", *words])
        shown = capsys.readouterr()
        return code, json.loads(shown.out) if shown.out else shown.err

    return run


def brought(
    folder: Path, host: str = "mta-1", ips: tuple[HandIp, ...] = (WARM, NEW, RAMP), **more: Any
) -> tuple[str, ...]:
    """Configuration and accounting of one host, as arguments."""
    folder.mkdir(exist_ok=True)
    (folder / "config").write_text(configuration(host, ips))
    write_accounting(folder / "done", ips, **more)
    return (
        "--config", f"{host}={folder}/config", "--accounting", f"{host}={folder}/done", "--pmta-version", f"{host}=5.0r5",
    )  # fmt: skip


def states(made: Any) -> dict[str, Any]:
    return {ip["vmta"]: (ip["state"], ip["phase"]) for ip in made["ips"]}


def findings(made: Any) -> str:
    return "\n".join(f"{one['subject']}: {one['observed']}" for one in made["findings"])


USUAL = {"news-1": ("active", None), "news-2": ("standby", None), "news-3": ("warming", 2)}


def test_the_file_is_checked_without_an_edit(adopt: Adopt, tmp_path: Path) -> None:
    code, made = adopt(*brought(tmp_path / "a"), "--output", str(tmp_path / "out"))
    assert code == 1  # MailWizz was not read: a finding
    assert (states(made), made["fill_in"]) == (USUAL, {})
    assert main(["fleet", "check", str(tmp_path / "out" / "fleet.draft.yaml")]) == 0
    assert "mode: observe" in made["fleet"]


def test_what_nobody_said_is_a_blank_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = brought(tmp_path / "a")
    code = main(["fleet", "adopt", *files[:4], "--as-of", "2026-11-30"])
    text = capsys.readouterr().out
    assert code == 1
    assert (
        "blanks that only you can fill in (version: 1, tenant: 1, name: 1, purpose: 1, consent: 1, risk_class: 1)"
        in text
    )
    assert "FILL IN" in text


def test_two_hosts_and_one_of_them_without_accounting(adopt: Adopt, tmp_path: Path) -> None:
    other = HandIp("news-9", "198.51.100.9", "1200/d", pool="news")
    second = brought(tmp_path / "b", "mta-2", (other,))
    shutil.rmtree(tmp_path / "b" / "done")
    _, made = adopt(*brought(tmp_path / "a"), *second)
    assert states(made) == USUAL | {"news-9": (None, None)}
    assert made["fill_in"] == {"state": 1}
    assert "host mta-2: its accounting: No such file or directory" in findings(made)


def test_copies_count_once_whatever_they_are_called(adopt: Adopt, tmp_path: Path) -> None:
    files = brought(tmp_path / "a")
    done = tmp_path / "a" / "done"
    plain = adopt(*files)[1]
    for path in sorted(done.iterdir())[:5]:
        shutil.copy2(path, done / f"again-{path.name}")
        (done / f"packed-{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        (done / f"short-{path.name}").write_bytes(path.read_bytes()[:40_000].rpartition(b"\n")[0] + b"\n")
    again = adopt(*files)[1]
    assert [ip["would_have"]["sent"] for ip in again["ips"]] == [
        ip["would_have"]["sent"] for ip in plain["ips"]
    ]
    assert states(again) == USUAL


def test_damaged_and_odd_files_are_named_and_the_rest_is_read(adopt: Adopt, tmp_path: Path) -> None:
    files = brought(tmp_path / "a", packed=(3,))
    done = tmp_path / "a" / "done"
    packed = next(done.glob("*.gz"))
    packed.write_bytes(packed.read_bytes()[:200])
    (done / "empty.csv").write_text("")
    (done / "other.csv").write_text("name,age\nx,1\n")
    (done / "hook.json").write_text("{}")
    (done / "notes.txt").write_text("not accounting")
    with (done / "acct-2026-11-20-0000.csv").open("a") as file:
        file.write("d,never,half\r\n")
    _, made = adopt(*files)
    told = findings(made)
    for said in (packed.name, "empty.csv", "other.csv", "hook.json", "1 row could not be read"):
        assert said in told, told
    assert "notes.txt" not in told
    assert states(made) == USUAL


def test_accounting_without_message_id_is_told_with_the_directive(adopt: Adopt, tmp_path: Path) -> None:
    _, made = adopt(*brought(tmp_path / "a", header=HEADER.rpartition(",")[0]))
    (one,) = [one for one in made["findings"] if one["topic"] == "Message-Id"]
    assert one["observed"] == "its accounting has no column header_Message-Id"
    assert "record-fields d *,header_Message-Id" in one["next_step"]


def test_accounting_that_ended_a_week_ago_is_told_and_judged_up_to_there(
    adopt: Adopt, tmp_path: Path
) -> None:
    _, made = adopt(*brought(tmp_path / "a", last=LAST - timedelta(days=7)))
    assert f"host mta-1: its accounting ends on {LAST - timedelta(days=7)}" in findings(made)
    assert states(made)["news-1"] == ("active", None)


def test_mail_of_ips_that_the_configuration_lacks_is_told(adopt: Adopt, tmp_path: Path) -> None:
    files = brought(tmp_path / "a")
    write_accounting(tmp_path / "a" / "done", (WARM, HandIp("old-1", "192.0.2.99", sent=(20,))))
    assert "sources that the draft does not have: 192.0.2.99 (600 records)" in findings(adopt(*files)[1])


def test_nat_and_a_shared_domain(adopt: Adopt, tmp_path: Path) -> None:
    ips = (
        HandIp("news-1", "10.0.0.1", "1200/d", sent=(1000,), pool="news", domain="one.example"),
        HandIp("news-2", "10.0.0.2", "1200/d", sent=(1000,), pool="news", domain="one.example"),
    )
    files = brought(tmp_path / "a", ips=ips)
    _, blank = adopt(*files)
    assert blank["fill_in"] == {"address": 2, "hostname": 2, "domain": 2}
    assert states(blank) == {"news-1": ("active", None), "news-2": ("active", None)}
    nat = tmp_path / "nat.txt"
    nat.write_text("10.0.0.1-2=198.51.100.1 # the whole net\n")
    _, made = adopt(*files, "--public", str(nat))
    assert made["fill_in"] == {"hostname": 2, "domain": 2}
    assert [ip["address"] for ip in made["ips"]] == ["198.51.100.1", "198.51.100.2"]
    assert [ip["would_have"]["sent"] for ip in made["ips"]] == [30_000, 30_000]


def test_an_ip_that_bounces_is_adopted_with_what_the_engine_thinks(adopt: Adopt, tmp_path: Path) -> None:
    bad = HandIp(
        "news-1",
        "198.51.100.1",
        "1200/d",
        sent=(1000,),
        pool="news",
        bounced={FIRST + timedelta(days=n): 100 for n in range(12, 30)},
    )
    _, made = adopt(*brought(tmp_path / "a", ips=(bad,)))
    assert states(made) == {"news-1": ("active", None)}
    assert made["ips"][0]["would_have"]["decisions"].get("pause", 0) >= 1
    assert "# - news-1: the engine would have stopped it on" in made["fleet"]


def test_a_month_of_the_past_is_read_by_its_own_days(adopt: Adopt, tmp_path: Path) -> None:
    files = brought(tmp_path / "a", first=date(2025, 12, 10), last=date(2026, 1, 8))
    _, made = adopt(*files, "--as-of", "2026-01-09")
    assert (made["first"], made["last"]) == ("2025-12-10", "2026-01-08")
    assert states(made)["news-1"] == ("active", None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "hosts: none"),
        (("--config", "mta-1"), "HOST=VALUE"),
        (("--config", "mta-1=/nowhere/config"), "cannot be read"),
        (("--hosts", "mta-1", "--accounting", "mta-2=/tmp"), "no --config for it"),
        (("--hosts", "mta-9"), "connection powermta_mta-9"),
    ],
    ids=["no host", "no file", "no such file", "another host", "no connection"],
)
def test_what_cannot_be_begun_is_refused(adopt: Adopt, words: tuple[str, ...], said: str) -> None:
    code, told = adopt(*words)
    assert code == 2
    assert said in told


def test_what_no_fleet_file_may_have_is_told_beside_the_blanks(adopt: Adopt, tmp_path: Path) -> None:
    ips = (WARM, HandIp("sales-1", "198.51.100.50", pool="sales"))
    files = brought(tmp_path / "a", ips=ips)
    _, made = adopt(*files, "--risk-class", "news=protected; sales=standard")
    told = findings(made)
    assert "MTA host mta-1 shared between risk classes" in told
    assert any("no fleet file may have" in line for line in made["summary"])
    assert not any("takes the file as it is" in line for line in made["summary"])
    assert "FILL IN" not in told


def test_an_answer_about_nothing_is_told(adopt: Adopt, tmp_path: Path) -> None:
    files = brought(tmp_path / "a")
    _, made = adopt(*files, "--consent", "newsleter=opt-in", "--public", "10.0.0.1=198.51.100.9")
    told = findings(made)
    assert "answer consent: names stream newsleter, which the draft does not have" in told
    assert "answer public: names 10.0.0.1, which the draft does not have" in told
    assert made["fill_in"] == {"consent": 1}


def test_a_configuration_without_a_virtual_mta_is_the_wrong_file(adopt: Adopt, tmp_path: Path) -> None:
    files = brought(tmp_path / "a", ips=())
    code, said = adopt(*files, "--output", str(tmp_path / "out"))
    assert code == 2
    assert "no <virtual-mta> in it or in what it includes" in said
    assert "Next: name PowerMTA's main configuration file" in said
    assert not (tmp_path / "out").exists()


def test_a_faulty_configuration_is_told_first_by_host(adopt: Adopt, tmp_path: Path) -> None:
    files = (
        brought(tmp_path / "a"),
        brought(tmp_path / "b", "mta-2", (HandIp("news-4", "198.51.100.4", "1200/d"),)),
    )
    with (tmp_path / "b" / "config").open("a") as config:
        config.write("<virtual-mta news-5>\n  smtp-source-hots 198.51.100.5 m.example\n</virtual-mta>\n")
    _, made = adopt(*files[0], *files[1])
    assert made["summary"][0].startswith("4 IPs on 2 hosts: ")
    assert (
        "not carried over, 1 virtual MTA among them: news-5: see the end of the report" in made["summary"][1]
    )
    assert {gap["host"] for gap in made["not_understood"] if "news-5" in gap["text"]} == {"mta-2"}


def test_a_host_that_sends_nothing_does_not_count(adopt: Adopt, tmp_path: Path) -> None:
    files = brought(tmp_path / "a"), brought(tmp_path / "b", "mta-2", ())
    _, made = adopt(*files[0], *files[1])
    assert made["summary"][0].startswith("3 IPs on 1 of 2 hosts: ")


def test_accounting_of_today_alone_is_no_accounting_of_these_days(adopt: Adopt, tmp_path: Path) -> None:
    files = brought(tmp_path / "a", first=date(2026, 11, 30), last=date(2026, 11, 30))
    _, made = adopt(*files)
    summary = " ".join(made["summary"])
    assert "what was read holds no whole one of these days" in summary
    assert "could be read" not in summary
    assert {ip["state"] for ip in made["ips"]} == {None}


def test_what_the_engine_would_have_done_adds_up(adopt: Adopt, tmp_path: Path) -> None:
    _, made = adopt(*brought(tmp_path / "a"))
    (line,) = (line for line in made["summary"] if line.startswith("In these days"))
    stopped, whole, held, moved, alone = map(int, re.findall(r"(?<![\d.-])\d+(?![\d.-])", line))
    assert stopped + held + moved + alone == whole == 3


def test_what_stays_by_hand_says_on_which_of_two_hosts(adopt: Adopt, tmp_path: Path) -> None:
    files = (
        brought(tmp_path / "a"),
        brought(tmp_path / "b", "mta-2", (HandIp("news-4", "198.51.100.4", "1200/d"),)),
    )
    for host in "ab":
        with (tmp_path / host / "config").open("a") as config:
            config.write("<source 0/0>\n  always-allow-relaying no\n</source>\n")
    fleet = adopt(*files[0], *files[1])[1]["fleet"]
    assert f"made from {tmp_path}/a/config of mta-1, {tmp_path}/b/config of mta-2 by" in fleet
    for host, folder in (("mta-1", "a"), ("mta-2", "b")):
        assert f"# - <source 0/0> ({host}, {tmp_path}/{folder}/config:" in fleet
        assert f"# - {host}: <acct-file " in fleet
