"""`email-engine replay`: real accounting through the decisions."""

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from email_engine.cli import main
from email_engine.paths import CONFIG, ROOT

HEADER = "type,timeLogged,rcpt,bounceCat,dlvSourceIp,vmta\r\n"
START = datetime(2026, 11, 1, 0, 15, tzinfo=UTC)
WARMING, ACTIVE = "198.51.100.41", "198.51.100.1"
Write = Callable[[str, Iterable[str]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, rows: Iterable[str]) -> Path:
        path = tmp_path / name
        path.write_text(HEADER + "".join(rows))
        return path

    return written


def day_of(number: int, good: int, bad: int = 0, source: str = f"{WARMING},aurora-41") -> list[str]:
    """Rows of the UTC day `number`, 1 first, spread over its 24 hours."""
    rows = []
    for n in range(good + bad):
        at = START + timedelta(days=number - 1, hours=n * 24 // (good + bad))
        kind, category = ("b", "bad-mailbox") if n < bad else ("d", "")
        rows.append(f"{kind},{at:%Y-%m-%d %H:%M:%S+0000},a{n}@gmail.com,{category},{source}\r\n")
    return rows


def replayed(
    capsys: pytest.CaptureFixture[str], *files: Path | str, ip: str = WARMING
) -> list[dict[str, Any]]:
    main(["replay", *map(str, files), "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line["ip"] == ip]


def test_a_line_has_what_stood_on_the_day_and_what_was_decided(
    capsys: pytest.CaptureFixture[str], write: Write
) -> None:
    days = replayed(capsys, write("a.csv", [row for n in range(1, 9) for row in day_of(n, 50)]))
    assert days[6] == {
        "date": "2026-11-07",
        "ip": WARMING,
        "state": "warming",
        "stage": 1,
        "allowance": 50,
        "sent": 50,
        "verdict": "pass",
        "score": 99,
        "band": [63, 100],
        "action": "advance",
        "gates": {"bounces": "pass", "complaints": "insufficient", "blocks": "pass", "deferrals": "pass"},
        "paces": {},
        "reason": "7 of 7 days of phase 1 were sent, so it moves to phase 2 at 100 messages a day.",
    }
    assert (days[7]["stage"], days[7]["allowance"]) == (2, 100)


def test_allowances_do_not_bind(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    days = replayed(capsys, write("a.csv", [row for n in range(1, 4) for row in day_of(n, 150, 50)]))
    assert [(day["allowance"], day["sent"]) for day in days] == [(50, 200), (50, 200), (0, 200)]
    assert [day["action"] for day in days] == ["hold", "pause", "stay"]
    assert "A recipient list problem of the only IP of stream newsletter" in days[1]["reason"]
    assert "so it pauses with its stream until 2026-11-10" in days[1]["reason"]


def test_files_of_one_day_add_up_in_any_order(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    rows = [row for n in range(1, 4) for row in day_of(n, 50, 1)]
    whole = replayed(capsys, write("whole.csv", rows))
    assert whole == replayed(capsys, write("b.csv", rows[70:]), write("a.csv", rows[:70]))
    assert [day["sent"] for day in whole] == [51, 51, 51]


def test_every_ip_of_the_fleet_has_every_day(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    main(["replay", str(write("a.csv", day_of(1, 50) + day_of(3, 50))), "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 300
    assert {line["date"] for line in lines} == {"2026-11-01", "2026-11-02", "2026-11-03"}


def test_a_host_whose_accounting_ends_early_holds(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    early = [row for row in day_of(9, 50) if " 2" not in row and " 1" not in row]
    rows = [row for n in range(1, 9) for row in day_of(n, 50)] + early
    assert "is known up to 2026-11-09 10:00 UTC only" in replayed(capsys, write("a.csv", rows))[-1]["reason"]
    silent = replayed(capsys, write("a.csv", rows), ip=ACTIVE)[-1]
    assert "the accounting of mta-1 never came" in silent["reason"]


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        (",aurora-41", 50),
        (",Aurora-41", 50),
        ("127.0.0.1,aurora-41", 50),
        (f"{WARMING},", 50),
        (f"{WARMING},other", 50),
    ],
    ids=[
        "no address",
        "in upper case",
        "behind a translated address",
        "no virtual MTA",
        "the address counts first",
    ],
)
def test_a_row_is_known_by_its_address_or_its_virtual_mta(
    capsys: pytest.CaptureFixture[str], write: Write, source: str, sent: int
) -> None:
    assert replayed(capsys, write("a.csv", day_of(1, 50, source=source)))[0]["sent"] == sent


def test_an_address_in_another_spelling_is_the_same(
    capsys: pytest.CaptureFixture[str], write: Write, tmp_path: Path
) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text((CONFIG / "fleet.yaml").read_text().replace("198.51.100.1", "2001:db8::1"))
    rows = day_of(1, 50, source="2001:0DB8:0000:0000:0000:0000:0000:0029,")
    main(["replay", "--fleet", str(fleet), "--json", str(write("a.csv", rows))])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["sent"] for line in lines if line["ip"] == "2001:db8::29"] == [50]


def test_the_same_file_twice_counts_once(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    path = write("a.csv", day_of(1, 50))
    assert replayed(capsys, path, path)[0]["sent"] == 50


def test_a_renamed_copy_and_the_beginning_of_a_file_count_once(
    capsys: pytest.CaptureFixture[str], write: Write
) -> None:
    rows = day_of(1, 50)
    whole, copy, begun = write("a.csv", rows), write("b.csv", rows), write("c.csv", rows[:20])
    assert replayed(capsys, whole, copy, begun)[0]["sent"] == 50
    assert main(["replay", str(whole), str(copy)]) == 0
    assert capsys.readouterr().err == f"{copy}: its rows stand in {whole} too, and count once\n"


def test_little_mail_has_no_score(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    first = replayed(capsys, write("a.csv", day_of(1, 50)))[0]
    assert (first["score"], first["band"]) == (None, None)


def test_a_day_without_data_between_days_with_some_holds(
    capsys: pytest.CaptureFixture[str], write: Write
) -> None:
    days = replayed(capsys, write("a.csv", [row for n in (1, 2, 4) for row in day_of(n, 50)]))
    assert [day["verdict"] for day in days] == ["insufficient", "pass", "hold", "pass"]
    assert "the accounting of mta-2 is known up to 2026-11-03 00:00 UTC only" in days[2]["reason"]


def stream(number: int, ips: Iterable[int], good: int, bad: int) -> list[str]:
    """The day of several active IPs of one stream."""
    return [row for n in ips for row in day_of(number, good, bad, f"198.51.100.{n},aurora-{n}")]


def test_a_bad_list_holds_the_stream_and_blames_nobody(
    capsys: pytest.CaptureFixture[str], write: Write
) -> None:
    rows = [row for day in range(1, 6) for row in stream(day, range(1, 11), 98, 2)]
    rows += stream(6, range(1, 11), 88, 12) + stream(7, range(1, 11), 98, 2)
    main(["replay", str(write("a.csv", rows)), "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    mailed = [line for line in lines if line["sent"]]
    assert not [line for line in mailed if line["action"] in ("pause", "quarantine")]
    bad_day = [line for line in mailed if line["date"] == "2026-11-06"]
    assert {line["verdict"] for line in bad_day} == {"hold"}
    assert all(line["reason"].startswith("A recipient list problem") for line in bad_day)


@pytest.mark.parametrize("others", [1, 9], ids=["of two", "of ten"])
def test_one_bad_ip_of_a_stream_is_paused_alone(
    capsys: pytest.CaptureFixture[str], write: Write, others: int
) -> None:
    rows = [row for day in range(1, 6) for row in stream(day, range(2, 2 + others), 98, 2)]
    rows += [row for day in range(1, 6) for row in stream(day, [1], 85, 15)]
    main(["replay", str(write("a.csv", rows)), "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    stopped = [line for line in lines if line["action"] == "pause"]
    assert {line["ip"] for line in stopped} == {ACTIVE}
    assert {line["verdict"] for line in stopped} == {"regress"}


def test_what_is_left_out_is_told_and_found(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    rows = [*day_of(1, 50), *day_of(1, 3, source="192.0.2.99,other"), "d,yesterday,a@gmail.com,,,\r\n"]
    path = write("a.csv", rows)
    assert main(["replay", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "not in the fleet, left out: 192.0.2.99 (3 records)",
        "unreadable, left out: 1 rows",
        f"the pipeline would refuse {path}: 1.9% unreadable",
    ]
    assert "100 decisions: " in captured.out


def test_text_shows_the_days_on_which_something_happened(
    capsys: pytest.CaptureFixture[str], write: Write
) -> None:
    assert main(["replay", str(write("a.csv", day_of(1, 60, 30)))]) == 0
    out = capsys.readouterr().out.splitlines()
    assert next(line for line in out if WARMING in line).startswith(
        f"2026-11-01  {WARMING}  hold  (warming 1, allowed 50, sent 90): A recipient list problem of the only IP of stream newsletter: "
    )
    assert re.fullmatch(r"100 decisions: \d+ hold, \d+ stay", out[-1])


@pytest.mark.parametrize(
    ("rows", "words", "told"),
    [
        (day_of(1, 1) + day_of(900, 1), [], "2026-11-01 to 2029-04-18"),
        (day_of(1, 1), ["--policy", "shipped", "--policy", "x"], "--policy: 2 policies"),
    ],
    ids=["a wrong clock", "two policies"],
)
def test_wrong_input_is_told(
    capsys: pytest.CaptureFixture[str], write: Write, rows: list[str], words: list[str], told: str
) -> None:
    assert main(["replay", str(write("a.csv", rows)), *words]) == 2
    assert told in capsys.readouterr().err


def test_no_mail_of_the_fleet_is_no_decision(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    assert main(["replay", str(write("a.csv", []))]) == 0
    assert capsys.readouterr().out == "No mail of this fleet, nothing to decide.\n"


TEXTS = {
    "pressed": "451 4.7.650 The mail server [198.51.100.1] has been temporarily rate limited due to IP reputation. (S775)",
    "grave": "550 5.7.1 Service unavailable, Client host [198.51.100.1] blocked using Spamhaus. (S3140)",
}


def told(number: int, kind: str, count: int, text: str) -> list[str]:
    """Rows of a UTC day of the active IP whose mail to Microsoft is answered with `text`."""
    at = START + timedelta(days=number - 1, hours=23)
    return [
        f'{kind},{at:%Y-%m-%d %H:%M:%S+0000},a{n}@outlook.com,,{ACTIVE},aurora-1,"smtp;{text}"\r\n'
        for n in range(count)
    ]


def test_a_provider_that_presses_is_slowed_and_others_are_not(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = [row.replace("\r\n", ",\r\n") for day in (1, 2, 3) for row in stream(day, [1], 400, 4)]
    rows += [
        row for day in (1, 2, 3) for row in told(day, "d", 200, "") + told(day, "t", 100, TEXTS["pressed"])
    ]
    path = tmp_path / "a.csv"
    path.write_text(HEADER.replace("vmta", "vmta,dsnDiag") + "".join(rows))
    days = replayed(capsys, path, ip=ACTIVE)
    assert days[0]["paces"] == {"microsoft": 0.5}
    assert days[0]["gates"]["deferrals"] == days[0]["verdict"] == "regress"
    assert [day["action"] for day in days] == ["hold"] * 3


def test_one_reply_that_names_a_block_list_is_a_suspicion(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = [row.replace("\r\n", ",\r\n") for row in stream(1, [1], 2_000, 4)]
    path = tmp_path / "a.csv"
    path.write_text(HEADER.replace("vmta", "vmta,dsnDiag") + "".join(rows + told(1, "b", 1, TEXTS["grave"])))
    (day,) = replayed(capsys, path, ip=ACTIVE)
    assert (day["action"], day["state"]) == ("hold", "active")
    assert "was named by" in day["reason"]
    assert "in 1 of 2005 messages" in day["reason"]


def test_a_day_knows_only_the_reports_that_were_logged_up_to_its_end(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Complaints of day 8 about mail of day 5 stop nobody on day 5."""
    mail = [row.replace("\r\n", ",\r\n") for n in range(1, 10) for row in day_of(n, 50)]
    logged, sent = START + timedelta(days=7, hours=9), START + timedelta(days=4, hours=9)
    reports = [
        f'f,{logged:%Y-%m-%d %H:%M:%S+0000},a{n}@gmail.com,,{WARMING},aurora-41,"{sent:%a, %d %b %Y %H:%M:%S} +0000"\r\n'
        for n in range(4)
    ]
    path = tmp_path / "a.csv"
    path.write_text(HEADER.replace("vmta", "vmta,header_Date") + "".join(mail + reports))
    days = replayed(capsys, path)
    assert [day["action"] for day in days[:7]] == ["stay"] * 6 + ["advance"]
    assert (days[7]["date"], days[7]["action"]) == ("2026-11-08", "pause")
    assert "4 complaints on 2026-11-05 about only 400 messages" in days[7]["reason"]


def test_a_report_that_comes_again_counts_once_and_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mail = [row.replace("\r\n", ",\r\n") for n in range(1, 10) for row in day_of(n, 50)]
    logged = START + timedelta(days=7, hours=9)
    told_again = [f"f,{logged:%Y-%m-%d %H:%M:%S+0000},a1@gmail.com,,{WARMING},aurora-41,<m1@aurora>\r\n"] * 4
    path = tmp_path / "a.csv"
    path.write_text(HEADER.replace("vmta", "vmta,header_Message-Id") + "".join(mail + told_again))
    assert main(["replay", str(path), "--json"]) == 1
    out, err = capsys.readouterr()
    assert "reports that came again, counted once: 3" in err
    assert "pause" not in {json.loads(line)["action"] for line in out.splitlines()}


def test_the_page_shows_a_file_that_can_be_replayed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "simulation.md").read_text()
    sample = re.search(r"\n\n((?:    (?:type|[dbtf]),.*\n)+)", page)
    assert sample
    path = tmp_path / "a.csv"
    path.write_text(sample[1].replace("    ", "").replace("\n", "\r\n"))
    days = replayed(capsys, path)
    assert [(day["date"], day["sent"]) for day in days] == [("2026-11-03", 2)]


@pytest.mark.parametrize(
    ("source", "elsewhere", "sent"),
    [
        ("10.0.0.7,", "", 50),
        ("10.0.0.7,aurora-1", "", None),
        ("10.0.0.7,", "10.0.0.7", None),
        ("10.0.0.7,aurora-41", "10.0.0.7", 50),
    ],
    ids=["by the private address", "of another by its name", "bound by two hosts", "by its name"],
)
def test_mail_of_an_ip_behind_nat_is_its_own(
    capsys: pytest.CaptureFixture[str],
    write: Write,
    tmp_path: Path,
    source: str,
    elsewhere: str,
    sent: int | None,
) -> None:
    entry = """
          - address: {address}
            bind_address: {bound}
            hostname: mail{n}.aurora-mail.example
            domain: x{n}.aurora-mail.example
            vmta: aurora-{n}
            host: {host}
            mailwizz_server_id: {n}00
            dkim: {{ selector: s1, key_path: /etc/pmta/dkim/x.pem }}
            state: warming
"""
    example = (CONFIG / "fleet.yaml").read_text()
    example = example.replace("count: 50", "count: 40", 1).replace(
        "active: 1-40, warming: 41-47, standby: 48-50", "active: 1-40", 1
    )
    added = entry.format(address=WARMING, bound="10.0.0.7", n=41, host="mta-1")
    added += entry.format(address="198.51.100.42", bound=elsewhere or "10.0.0.8", n=42, host="mta-2")
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(example.replace("\n  - name: borealis\n", f"{added}\n  - name: borealis\n"))
    rows = [row for n in range(1, 4) for row in day_of(n, 50, source=source)]
    main(["replay", str(write("a.csv", rows)), "--fleet", str(fleet), "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {line["sent"] for line in lines if line["ip"] == WARMING}
    assert found - {0} == ({sent} if sent else set())


def test_a_file_that_arrives_two_days_later_counts_from_then_on(
    capsys: pytest.CaptureFixture[str], write: Write
) -> None:
    """Two bad days pause. The file of the second, day 4, is known on day 6: days 4 and 5 are decided without it."""
    others = write("others.csv", [*day_of(1, 50), *day_of(2, 50), *day_of(3, 60, 40), *day_of(6, 50)])
    second = write("second.csv", day_of(4, 60, 40))
    prompt = replayed(capsys, others, second)
    late = replayed(capsys, others, "--late", f"{second}=2026-11-06")
    assert prompt[:3] == late[:3]
    assert [(day["action"], day["sent"]) for day in prompt[3:]] == [("pause", 100), ("stay", 0), ("stay", 50)]
    assert [(day["action"], day["sent"]) for day in late[3:]] == [("hold", 0), ("hold", 0), ("pause", 50)]
    assert all("is known up to 2026-11-04 00:00 UTC only" in day["reason"] for day in late[3:5])
    assert "40 of 100 on 2026-11-04" in late[5]["reason"]


def test_complaints_of_a_late_file_stand_on_their_mail(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, write: Write
) -> None:
    mail = write("mail.csv", [row for n in range(1, 7) for row in day_of(n, 50)])
    reports = tmp_path / "reports.csv"
    rows = [f"f,2026-11-03 12:00:{n:02}+0000,a{n}@gmail.com,,{WARMING},aurora-41,abuse\r\n" for n in range(9)]
    reports.write_text("type,timeLogged,rcpt,bounceCat,dlvSourceIp,vmta,feedbackType\r\n" + "".join(rows))
    late = replayed(capsys, mail, "--late", f"{reports}=2026-11-05")
    assert [day["action"] for day in replayed(capsys, mail, reports)].index("pause") == 2
    assert [day["action"] for day in late].index("pause") == 4


def test_a_replay_goes_on_to_the_day_on_which_the_last_file_arrives(
    capsys: pytest.CaptureFixture[str], write: Write
) -> None:
    days = replayed(
        capsys, write("a.csv", day_of(1, 50)), "--late", f"{write('b.csv', day_of(2, 50))}=2026-11-04"
    )
    assert [(day["date"][-2:], day["sent"]) for day in days] == [("01", 50), ("02", 0), ("03", 0), ("04", 0)]
    assert "is known up to 2026-11-02 00:00 UTC only" in days[1]["reason"] + days[2]["reason"]


@pytest.mark.parametrize("text", ["a.csv", "a.csv=", "a.csv=yesterday", "=2026-11-04"])
def test_a_late_file_has_a_day(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["replay", "--late", text, "b.csv"])
    assert "is no file with the day of its arrival" in capsys.readouterr().err
