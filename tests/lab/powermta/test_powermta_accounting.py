"""Accounting files: names, columns, types, rotation."""

import csv
import io
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lab.mail import Message
from lab.powermta.host import Host
from lab.powermta.mailbox_providers import provider_of
from lab.powermta.recipients import Rates, Recipients

DEFAULT = (
    "type,timeLogged,timeQueued,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag,dsnMta,bounceCat,srcType,srcMta,dlvType,dlvSourceIp,"
    "dlvDestinationIp,dlvEsmtpAvailable,dlvSize,vmta,jobId,envId,queue,vmtaPool"
)


def acct(*lines: str, name: str = "acct") -> str:
    inside = "".join(f" {line}\n" for line in lines)
    return f"<acct-file /var/log/pmta/{name}.csv>\n{inside}</acct-file>\n"


def files(root: Path) -> list[str]:
    return sorted(
        str(file.relative_to(root / "var/log/pmta")) for file in (root / "var/log/pmta").rglob("*.csv")
    )


def only_file(root: Path) -> str:
    [file] = (root / "var/log/pmta").rglob("*.csv")
    return file.read_bytes().decode()


@pytest.fixture
def sender(bench) -> Callable[..., None]:
    def send(accounting: str, count: int = 1, domain: str = "gmail.com", **time: float) -> None:
        bench.load(
            "<virtual-mta a>\n smtp-source-host 198.51.100.1 mail1.example.com\n</virtual-mta>\n", accounting
        )
        bench.submit(count, "a", domain=domain)
        bench.pass_time(**(time or {"minutes": 5}))

    return send


def test_without_an_acct_file_nothing_is_written(bench, sender) -> None:
    sender("")
    assert files(bench.root) == []


def test_the_default_file_has_the_default_columns_in_order(bench, sender) -> None:
    sender(acct())
    head, row, end = only_file(bench.root).split("\r\n")
    assert (head, end) == (DEFAULT, "")
    [values] = csv.DictReader(io.StringIO(f"{head}\r\n{row}\r\n", newline=""))
    assert values["type"] == "d"
    assert datetime.strptime(values["timeLogged"], "%Y-%m-%d %H:%M:%S%z").utcoffset() == timedelta(0)
    assert (values["orig"], values["rcpt"]) == ("bounce@mail.example", "r1@gmail.com")
    assert (values["dsnAction"], values["dsnStatus"]) == ("relayed", "2.0.0 (success)")
    assert values["dsnDiag"].startswith("smtp;250 ")
    assert values["dsnMta"] == "gmail-smtp-in.l.google.com (192.0.2.26)"
    assert values["dlvSourceIp"] == "198.51.100.1"
    assert "," in values["dlvEsmtpAvailable"]
    assert (values["vmta"], values["queue"], values["jobId"]) == ("a", "gmail.com/a", "camp-1")


def test_names_carry_day_and_number_and_a_new_day_is_a_new_file(bench, sender) -> None:
    sender(acct(), minutes=5)
    bench.clock.advance_to(bench.clock.now() + timedelta(hours=23, minutes=25))
    bench.host.tick()
    bench.submit(2, "a")
    bench.pass_time(hours=1)
    assert files(bench.root) == ["acct-2026-11-01-0000.csv"]
    bench.submit(2, "a")
    bench.pass_time(hours=1)
    assert files(bench.root) == ["acct-2026-11-01-0000.csv", "acct-2026-11-02-0000.csv"]


def test_an_interval_over_midnight_is_split_there(bench, sender) -> None:
    sender(acct(), minutes=5)
    bench.clock.advance_to(bench.clock.now() + timedelta(days=1, hours=1))
    bench.submit(100, "a")
    bench.host.tick()
    days = {name[5:15]: set() for name in files(bench.root)}
    for file in (bench.root / "var/log/pmta").glob("*.csv"):
        with file.open(newline="") as lines:
            days[file.name[5:15]] = {row["timeLogged"][:10] for row in csv.DictReader(lines)}
    assert days == {"2026-11-01": {"2026-11-01"}, "2026-11-02": {"2026-11-02"}}


def test_closed_files_move_after_the_interval_and_open_ones_stay(bench, sender) -> None:
    sender(acct("move-to /var/log/pmta/done", "move-interval 1h"), minutes=30)
    assert files(bench.root) == ["acct-2026-11-01-0000.csv"]
    bench.pass_time(hours=1)
    assert files(bench.root) == ["done/acct-2026-11-01-0000.csv"]
    moved = bench.root / "var/log/pmta/done/acct-2026-11-01-0000.csv"
    assert moved.stat().st_mtime == bench.clock.now().timestamp()
    bench.submit(1, "a")
    bench.pass_time(hours=2)
    assert files(bench.root)[-1] == "done/acct-2026-11-01-0001.csv"


def test_rotate_acct_closes_the_file_now(bench, sender) -> None:
    sender(acct("move-to /var/log/pmta/done"))
    assert bench.pmta("rotate", "acct").status == 0
    assert files(bench.root) == ["done/acct-2026-11-01-0000.csv"]


def test_a_full_file_is_closed(bench, sender) -> None:
    sender(acct("max-size 1M"), count=5000, hours=1)
    assert len(files(bench.root)) == 1
    bench.submit(100, "a")
    bench.pass_time(hours=1)
    assert len(files(bench.root)) == 2


def test_old_files_go_after_eight_days_where_they_are_not_moved(bench, sender) -> None:
    sender(acct())
    bench.pass_time(days=1)
    bench.pass_time(days=9)
    assert files(bench.root) == []


def test_record_fields_add_drop_and_choose_columns(bench, sender) -> None:
    fields = ("record-fields d *,header_Message-Id", "record-fields b rcpt,dsnStatus")
    sender(acct(*fields))
    assert only_file(bench.root).split("\r\n")[0] == DEFAULT + ",header_Message-Id"
    assert ",<1@x>\r\n" in only_file(bench.root)


def test_a_column_may_be_dropped(bench, sender) -> None:
    sender(acct("records d", "record-fields d *,!orcpt,!envId"))
    assert only_file(bench.root).split("\r\n")[0] == DEFAULT.replace("orcpt,", "").replace("envId,", "")


def test_columns_of_all_types_are_merged_and_foreign_ones_stay_empty(make_bench) -> None:
    bench = make_bench({"*": {"hard_bounce_rate": 1.0, "deferral_rate": 0, "block_rate": 0}})
    bench.load(
        "<virtual-mta a>\n smtp-source-host 198.51.100.1 m.x.com\n</virtual-mta>\n",
        acct("records d,b", "record-fields d rcpt,dlvSize", "record-fields b rcpt,dsnStatus,bounceCat"),
    )
    bench.submit(1, "a")
    bench.pass_time(minutes=5)
    head, row, _ = only_file(bench.root).split("\r\n")
    assert head == "type,rcpt,dlvSize,dsnStatus,bounceCat"
    assert row.startswith("b,r1@example.org,,5.1.")


def test_the_single_column_file_is_written_too(bench, sender) -> None:
    sender(acct("records d", "record-fields d rcpt"))
    assert only_file(bench.root) == "type,rcpt\r\nd,r1@gmail.com\r\n"


def test_times_may_be_unix_seconds(bench, sender) -> None:
    sender(
        acct(
            "records d,r",
            "iso-times no",
            "record-fields d timeLogged,timeQueued",
            "record-fields r timeLogged",
        )
    )
    rows = [line.split(",") for line in only_file(bench.root).split("\r\n")[1:3]]
    start = int(bench.clock.now().timestamp()) - 300
    assert sorted(rows) == [["d", str(start), str(start)], ["r", str(start), ""]]


def test_user_string_and_queue_filter(bench, sender) -> None:
    sender(
        acct(
            "records d",
            "user-string host,1",
            "record-fields d rcpt,userString",
            "queue-filter gmail.com/*,!*/b",
        )
    )
    bench.submit(1, "a", domain="yahoo.com")
    bench.pass_time(minutes=5)
    assert only_file(bench.root) == 'type,rcpt,userString\r\nd,r1@gmail.com,"host,1"\r\n'


def test_awkward_text_is_quoted_by_rfc_4180(bench, sender) -> None:
    sender(acct("records d,r", "record-fields d orig,rcpt,jobId,header_Message-Id", "record-fields r jobId"))
    message = Message('<a"b,c@x>', "bounce@mail.example", "x@example.org", "a", "camp, one\nline")
    bench.host.submit(message)
    bench.pass_time(minutes=5)
    rows = list(csv.DictReader(io.StringIO(only_file(bench.root), newline="")))
    last = next(row for row in rows if row["rcpt"] == "x@example.org")
    assert (last["header_Message-Id"], last["jobId"]) == ('<a"b,c@x>', "camp, one\nline")
    assert {row["jobId"] for row in rows if row["type"] == "r"} == {"camp-1", "camp, one\nline"}


def test_a_domain_may_keep_its_records_out(bench) -> None:
    bench.vmtas("a", inside=" <domain gmail.com>\n disable-acct-records d,t\n </domain>")
    bench.submit(1, "a", domain="gmail.com")
    bench.submit(1, "a", domain="x.org")
    bench.pass_time(minutes=5)
    assert [row["rcpt"] for row in bench.records("d")] == ["r2@x.org"]


@pytest.mark.parametrize(
    ("rates", "kind", "action", "status", "categories"),
    [
        ({"hard_bounce_rate": 1.0}, "b", "failed", ("5.1.1", "5.2.1"), {"bad-mailbox", "inactive-mailbox"}),
        (
            {"hard_bounce_rate": 0, "block_rate": 1.0},
            "b",
            "failed",
            ("5.7.1",),
            {"policy-related", "spam-related"},
        ),
        (
            {"hard_bounce_rate": 0, "deferral_rate": 1.0},
            "t",
            "delayed",
            ("4.7.0", "4.2.2", "4.3.2"),
            {"policy-related", "quota-issues", "other"},
        ),
    ],
    ids=["hard", "block", "deferral"],
)
def test_failures_have_their_type_status_and_category(
    make_bench, rates: dict[str, float], kind: str, action: str, status: tuple[str, ...], categories: set[str]
) -> None:
    bench = make_bench({"gmail": {"deferral_rate": 0, "block_rate": 0} | rates})
    bench.vmtas("a")
    bench.submit(40, "a", domain="gmail.com")
    bench.pass_time(minutes=5)
    rows = bench.records("d", "b", "t")
    assert {row["type"] for row in rows} == {kind}
    assert {row["dsnAction"] for row in rows} == {action}
    assert {row["bounceCat"] for row in rows} <= categories
    assert all(row["dsnStatus"].startswith(status) and "(" in row["dsnStatus"] for row in rows)
    assert {row["dlvSourceIp"] for row in rows} == {"198.51.100.1"}


def test_complaints_come_hours_later_and_only_where_there_is_a_feedback_loop(make_bench) -> None:
    bench = make_bench(
        {"*": {"complaint_rate": 1.0, "hard_bounce_rate": 0, "block_rate": 0, "deferral_rate": 0}}
    )
    bench.vmtas("a")
    for domain in ("yahoo.com", "gmail.com", "hotmail.com"):
        bench.submit(5, "a", domain=domain)
    bench.pass_time(minutes=4)
    assert bench.records("f") == []
    bench.pass_time(hours=13)
    complaints = bench.records("f")
    assert Counter(row["format"] for row in complaints) == {"arf": 5, "jmrp": 5}
    assert {row["rcpt"] for row in complaints if row["format"] == "jmrp"} == {""}
    assert all(row["rcpt"].endswith("@yahoo.com") for row in complaints if row["format"] == "arf")
    assert {row["vmta"] for row in complaints} == {""}
    assert {row["header_Message-Id"] for row in complaints} == {
        f"<{n}@x>" for n in (*range(1, 6), *range(11, 16))
    }
    assert {row["dlvSourceIp"] for row in complaints} == {"198.51.100.1"}


def test_complaints_may_hide_the_ip_and_map_the_recipient(make_bench) -> None:
    bench = make_bench(
        {"*": {"complaint_rate": 1.0, "hard_bounce_rate": 0, "block_rate": 0, "deferral_rate": 0}}
    )
    bench.host.knobs()["complaints_name_the_ip"](on=False)
    mapped = acct("records f", "map-header-to-field f header_X-HmXmrOriginalRecipient rcpt", name="fbl")
    bench.load("<virtual-mta a>\n smtp-source-host 198.51.100.1 m.x.com\n</virtual-mta>\n", mapped)
    bench.submit(1, "a", domain="hotmail.com")
    bench.pass_time(hours=13)
    [complaint] = bench.records("f")
    assert (complaint["rcpt"], complaint["dlvSourceIp"]) == ("r1@hotmail.com", "")
    assert complaint["header_X-job"] == "camp-1"


def test_remote_bounces_and_status_messages_follow_deliveries(make_bench) -> None:
    rates = {
        "remote_bounce_rate": 0.5,
        "remote_status_rate": 0.5,
        "hard_bounce_rate": 0,
        "block_rate": 0,
        "deferral_rate": 0,
    }
    bench = make_bench({"*": rates | {"complaint_rate": 0}})
    bench.vmtas("a")
    bench.submit(40, "a")
    bench.pass_time(hours=3)
    assert {row["type"]: row["dsnAction"] for row in bench.records("rb", "rs")} == {
        "rb": "failed",
        "rs": "delayed",
    }
    assert len(bench.records("rb", "rs")) == 40


def test_a_receipt_names_the_pool_that_was_asked_for(bench) -> None:
    bench.vmtas("a", after="<virtual-mta-pool p>\n virtual-mta a\n</virtual-mta-pool>\n")
    bench.submit(1, "p")
    bench.pass_time(minutes=5)
    [receipt], [delivery] = bench.records("r"), bench.records("d")
    assert (receipt["vmta"], receipt["vmtaPool"]) == ("p", "p")
    assert (delivery["vmta"], delivery["vmtaPool"]) == ("a", "p")


def test_receipts_of_a_jump_are_spread_as_the_deliveries_are(bench) -> None:
    bench.vmtas("a")
    bench.clock.advance_to(bench.clock.now() + timedelta(hours=1))
    bench.submit(30, "a")
    bench.host.tick()
    times = {row["rcpt"]: row["timeLogged"] for row in bench.records("r")}
    assert len(set(times.values())) == 30
    assert all(times[row["rcpt"]] == row["timeQueued"] for row in bench.records("d"))


def test_files_that_a_killed_host_left_open_are_moved_at_the_next_start(
    bench, sender, tmp_path: Path
) -> None:
    settings = acct("move-to /var/log/pmta/done", "move-interval 1d")
    sender(settings)
    assert files(bench.root) == ["acct-2026-11-01-0000.csv"]
    root = tmp_path / "as it was when it was killed"
    shutil.copytree(bench.root, root)
    Host("mta-1", root, [], "5.0r5", bench.clock, Recipients())
    assert files(root) == ["done/acct-2026-11-01-0000.csv"]


def test_a_change_of_the_accounting_by_reload_starts_new_files(bench, sender) -> None:
    sender(acct("records d"))
    sender(acct("records d", "record-fields d rcpt"))
    heads = [file.read_text().split("\n")[0] for file in sorted((bench.root / "var/log/pmta").glob("*.csv"))]
    assert heads == [DEFAULT, "type,rcpt"]


def test_rates_are_close_to_what_was_asked_for() -> None:
    recipients = Recipients(
        traffic={"*": {"hard_bounce_rate": 0.05, "block_rate": 0.02, "deferral_rate": 0.1}}
    )
    answers = Counter(
        recipients.answer("192.0.2.1", "gmail.com", str(n), "x@gmail.com", 0).reply.category
        for n in range(20000)
    )
    assert 0.04 < (answers["bad-mailbox"] + answers["inactive-mailbox"]) / 20000 < 0.06
    assert (
        0.11
        < sum(answers[name] for name in ("spam-related", "policy-related", "quota-issues", "other")) / 20000
        < 0.13
    )


@pytest.mark.parametrize(
    ("rates", "blamed"),
    [
        ({"deferral_rate": 0.02, "block_rate": 0}, 0.0),
        ({"deferral_rate": 0.2, "block_rate": 0}, 0.9),
        ({"deferral_rate": 0, "block_rate": 0.002}, 0.0),
        ({"deferral_rate": 0, "block_rate": 0.02}, 0.9),
    ],
)
def test_only_what_goes_beyond_the_everyday_is_aimed_at_the_sender(
    rates: dict[str, float], blamed: float
) -> None:
    recipients = Recipients(traffic={"*": rates | {"hard_bounce_rate": 0}})
    replies = [
        recipients.answer("192.0.2.1", "gmail.com", str(n), "x@gmail.com", 0).reply for n in range(40000)
    ]
    failed = [reply.category for reply in replies if reply.record != "d"]
    assert abs(failed.count("policy-related") / len(failed) - blamed) < 0.04


def test_the_closest_rate_holds() -> None:
    recipients = Recipients(traffic={"*": {"hard_bounce_rate": 0.1}, "GMAIL": {"hard_bounce_rate": 0.2}})
    recipients.set_rates("192.0.2.1", hard_bounce_rate=0.3)
    recipients.set_rates("192.0.2.1", "gmail", hard_bounce_rate=0.4)
    recipients.set_rates("192.0.2.1", "googlemail.com", block_rate=0.5)
    assert [
        recipients.rates(ip, domain).hard_bounce_rate for ip, domain in (("x", "a.b"), ("x", "gmail.com"))
    ] == [0.1, 0.2]
    assert recipients.rates("192.0.2.1", "a.b").hard_bounce_rate == 0.3
    assert recipients.rates("192.0.2.1", "googlemail.com") == Rates(hard_bounce_rate=0.4, block_rate=0.5)
    recipients.clear_rates("192.0.2.1")
    assert recipients.rates("192.0.2.1", "gmail.com").hard_bounce_rate == 0.2


@pytest.mark.parametrize(
    "rates", [{"hard_bounce_rate": 1.5}, {"block_rate": -0.1}, {"deferral_rate": 0.6, "block_rate": 0.6}]
)
def test_impossible_rates_are_refused(rates: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="rate"):
        Recipients().set_rates("192.0.2.1", **rates)


def test_one_rate_may_fill_everything_whatever_the_others_are() -> None:
    recipients = Recipients()
    recipients.set_rates("192.0.2.1", hard_bounce_rate=1.0)
    replies = {recipients.answer("192.0.2.1", "x.org", str(n), "r@x.org", 0).reply.record for n in range(500)}
    assert replies == {"b"}


def test_a_small_domain_is_a_provider_of_its_own() -> None:
    assert provider_of("tiny.example").mx == "mx.tiny.example"
    assert provider_of("HOTMAIL.com").name == "microsoft"
