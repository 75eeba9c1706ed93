"""The `pmta` command: what it accepts, and its four ways to answer."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

KEYS = " domain-key s1,example.com,/etc/pmta/dkim/x.pem\n max-smtp-msg-rate 50/d"


def data(bench, *words: str) -> Any:
    output = bench.pmta("--json", *words)
    body = json.loads(output.stdout)
    assert (output.status, body["status"]) == (0, "success")
    return body["data"]


def test_help_lists_the_commands(bench) -> None:
    assert "test config" in bench.pmta("--help").stdout


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("check", "config"),
        ("check-config",),
        ("verify",),
        ("validate",),
        ("--config-test",),
        ("show",),
        ("show", "everything"),
        ("test", "config", "/etc/pmta/other"),
        ("reload", "now"),
        ("pause", "queue"),
        ("pause", "vmta", "a"),
        ("resume", "queue", "a/b", "c/d"),
        ("pause", "queue", "x.org/a/b"),
        ("pause", "queue", "x.org a/b"),
        ("disable", "source", "198.51.100.1", "/"),
        ("show", "queues", "--colour"),
        ("show", "queues", "--maxitems=many"),
        ("show", "settings"),
        ("show", "vmta-settings"),
        ("show", "vmta-settings", "nobody"),
        ("disable", "source", "198.51.100.1"),
        ("disable", "source", "mail.example.com", "*/a"),
        ("disable", "source", "--reenable-after=soon", "198.51.100.1", "*/a"),
        ("delete",),
        ("rotate", "acct", "a", "b"),
    ],
    ids=" ".join,
)
def test_what_pmta_does_not_know_ends_with_status_1_and_a_reason(bench, words: tuple[str, ...]) -> None:
    output = bench.pmta(*words)
    assert (output.status, output.stdout) == (1, "")
    assert output.stderr


def test_an_error_is_an_error_in_every_form(bench) -> None:
    body = json.loads(bench.pmta("--json", "show", "everything").stdout)
    assert (body["status"], body["message"]) == ("error", "unknown command: show everything")
    document = ElementTree.fromstring(bench.pmta("--xml", "show", "everything").stdout)
    assert document.find("succ") is None


def test_test_config_reads_the_installed_files_and_touches_nothing(bench) -> None:
    bench.vmtas("a")
    assert bench.pmta("test", "config").status == 0
    digest = bench.host.state()["digest"]
    bench.write(
        "<virtual-mta b>\n</virtual-mta>\n<virtual-mta-pool b>\n virtual-mta b\n</virtual-mta-pool>\n"
    )
    refused = bench.pmta("test", "config")
    assert refused.status == 1
    assert refused.stderr.startswith("Error in line 3 of /etc/pmta/email-engine.conf: ")
    assert bench.host.state()["digest"] == digest


def test_reload_says_that_it_did(bench) -> None:
    assert bench.pmta("reload").stdout == "Configuration reloaded.\n"
    bench.write("colour red\n")
    failed = bench.pmta("reload")
    assert (failed.status, failed.stdout) == (1, "")
    assert "Error in line 1 of /etc/pmta/email-engine.conf" in failed.stderr


def test_show_queues_tells_recipients_pauses_and_modes(bench) -> None:
    bench.vmtas("a", "b")
    bench.submit(3, "a", domain="gmail.com")
    bench.submit(1, "b", domain="gmail.com")
    bench.pmta("pause", "queue", "*/a")
    [queue] = data(bench, "show", "queues", "*/a")["queues"]
    assert queue == {
        "name": "gmail.com/a",
        "rcp": 3,
        "kb": 72,
        "conn": 0,
        "paused": True,
        "mode": "normal",
        "retryTime": "",
    }
    assert [each["name"] for each in data(bench, "show", "queues", "--paused")["queues"]] == ["gmail.com/a"]
    assert len(data(bench, "show", "queues", "gmail.com/*")["queues"]) == 2
    assert data(bench, "show", "queues", "gmail.com")["queues"] == []
    assert len(data(bench, "show", "queues", "--mode=normal")["queues"]) == 2
    assert data(bench, "show", "queues", "--mode=backoff")["queues"] == []


def test_queues_carry_the_members_name_and_never_the_pools(bench) -> None:
    bench.vmtas("a", after="<virtual-mta-pool p>\n virtual-mta a\n</virtual-mta-pool>\n")
    bench.submit(1, "p")
    assert data(bench, "show", "queues", "*/p")["queues"] == []
    assert len(data(bench, "show", "queues", "*/a")["queues"]) == 1


def test_show_queues_stops_at_twenty_without_a_word(bench) -> None:
    bench.vmtas("a")
    for number in range(30):
        bench.submit(number + 1, "a", domain=f"d{number:02}.org")
    assert len(data(bench, "show", "queues")["queues"]) == 20
    assert len(data(bench, "show", "queues", "--maxitems=100")["queues"]) == 30
    assert data(bench, "show", "queues", "--sort=rcpt", "--maxitems=1")["queues"][0]["rcp"] == 30
    assert data(bench, "show", "topqueues", "--maxitems=2")["queues"][0]["name"] == "d29.org/a"
    assert data(bench, "show", "topdomains", "--maxitems=1")["domains"][0] == {
        "name": "d29.org",
        "rcp": 30,
        "kb": 720,
    }


def test_show_queues_lists_the_last_errors_when_asked(make_bench) -> None:
    bench = make_bench({"gmail": {"deferral_rate": 1.0, "hard_bounce_rate": 0, "block_rate": 0}})
    bench.vmtas("a")
    bench.submit(1, "a", domain="gmail.com")
    bench.pass_time(minutes=5)
    [queue] = data(bench, "show", "queues", "--errors")["queues"]
    assert queue["errors"][0]["text"].startswith("smtp;421")
    assert queue["retryTime"] > "2026-11-01 00:05:00"


def test_show_vmtas_lists_only_those_with_mail(bench) -> None:
    bench.vmtas("a", "b", "c")
    bench.submit(3, "b")
    bench.submit(1, "c")
    rows = data(bench, "show", "vmtas")["vmtas"]
    assert [(row["name"], row["rcp"], row["pctOfTotal"], row["dom"]) for row in rows] == [
        ("b", 3, 75, 1),
        ("c", 1, 25, 1),
    ]


def test_vmta_settings_are_those_that_were_loaded(bench) -> None:
    bench.vmtas("a", inside=KEYS)
    bench.write("<virtual-mta a>\n max-smtp-msg-rate 99/d\n</virtual-mta>\n")
    assert data(bench, "show", "vmta-settings", "a") == {
        "name": "a",
        "smtp-source-host": ["198.51.100.1 mail0.example.com"],
        "domain-key": ["s1,example.com,/etc/pmta/dkim/x.pem"],
        "max-smtp-msg-rate": "50/d",
    }
    lines = bench.pmta("show", "vmta-settings", "a").stdout.splitlines()
    assert lines[:2] == ["virtual-mta a", "smtp-source-host 198.51.100.1 mail0.example.com"]


def test_settings_are_the_effective_ones_of_the_queue(bench) -> None:
    bench.vmtas(
        "a",
        inside=" <domain *>\n max-msg-rate 20/h\n </domain>",
        after="<domain gmail.com>\n max-smtp-out 3\n</domain>\n",
    )
    assert data(bench, "show", "settings", "gmail.com/a") == {
        "queue": "gmail.com/a",
        "max-msg-rate": "20/h",
        "max-smtp-out": "3",
    }


def test_status_and_version_have_the_documented_paths(bench) -> None:
    bench.vmtas("a")
    bench.submit(4, "a")
    bench.pass_time(minutes=5)
    status = data(bench, "show", "status")
    assert status["mta"]["product"]["version"] == "5.0r5"
    assert status["status"]["shuttingDown"] is False
    assert status["status"]["traffic"]["total"] == {
        "in": {"rcp": 4, "msg": 4, "kb": 96},
        "out": {"rcp": 4, "msg": 4, "kb": 96},
    }
    assert status["status"]["timeNow"] == "2026-11-01 00:05:00"
    dom = bench.pmta("--dom", "show", "status").stdout
    assert 'status.queue.smtp.rcp="0"' in dom
    assert 'status.shuttingDown="0"' in dom
    assert data(bench, "show", "version")["mta"]["product"]["name"] == "PowerMTA"


def test_xml_has_data_and_succ_and_writes_truth_as_numbers(bench) -> None:
    bench.vmtas("a")
    bench.submit(1, "a", domain="x.org")
    bench.submit(1, "a", domain="y.org")
    bench.pmta("pause", "queue", "x.org/a")
    document = ElementTree.fromstring(bench.pmta("--xml", "show", "queues").stdout)
    assert document.tag == "rsp"
    assert document.find("succ") is not None
    queues = document.findall("data/queue")
    assert [(queue.findtext("name"), queue.findtext("paused")) for queue in queues] == [
        ("x.org/a", "1"),
        ("y.org/a", "0"),
    ]


def test_dom_numbers_the_entries(bench) -> None:
    bench.vmtas("a")
    bench.submit(1, "a", domain="x.org")
    assert re.search(
        r'^queue\[0\]\.name="x\.org/a"$', bench.pmta("--dom", "show", "queues").stdout, re.MULTILINE
    )


def test_json_is_new_in_5_0(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(version="4.5")
    assert bench.pmta("--json", "show", "status").status == 1
    assert bench.pmta("--xml", "show", "status").status == 0


def test_disabled_sources_are_listed(bench) -> None:
    bench.vmtas("a")
    bench.pmta("disable", "source", "--reenable-after=1h", "198.51.100.1", "*/a")
    bench.pmta("disable", "source", "198.51.100.2", "*/a")
    rows = data(bench, "show", "disabled", "sources")["disabledSources"]
    assert [(row["ip"], row["queue"], row["reenableTime"]) for row in rows] == [
        ("198.51.100.1", "*/a", "2026-11-01 01:00:00"),
        ("198.51.100.2", "*/a", "never"),
    ]
    bench.pass_time(hours=2)
    assert len(data(bench, "show", "disabled", "sources")["disabledSources"]) == 1


@pytest.mark.parametrize(("options", "bounced"), [((), 3), (("--no-accounting",), 0)])
def test_deleting_a_queue_leaves_a_mark_unless_told_not_to(
    bench, options: tuple[str, ...], bounced: int
) -> None:
    bench.vmtas("a")
    bench.submit(3, "a", domain="x.org")
    bench.submit(1, "a", domain="y.org")
    assert data(bench, "delete", "--queue=x.org/a", *options) == {"count": 3}
    assert bench.waiting() == 1
    assert [row["dsnDiag"] for row in bench.records("b")] == ["smtp;deleted by administrator"] * bounced


def test_a_command_first_lets_time_pass(bench) -> None:
    bench.vmtas("a")
    bench.submit(3, "a")
    bench.clock.advance_to(bench.clock.now() + timedelta(minutes=1))
    bench.pmta("pause", "queue", "*/a")
    assert len(bench.records("d")) == 3


def test_one_queue_is_paused_and_resumed_by_its_own_name_alone(bench) -> None:
    bench.vmtas("a", "b")
    for domain in ("x.org", "y.org"):
        bench.submit(3, "a", domain=domain)
    bench.submit(3, "b", domain="x.org")

    def paused() -> list[str]:
        return sorted(each["name"] for each in data(bench, "show", "queues", "--paused")["queues"])

    bench.pmta("pause", "queue", "x.org/a")
    bench.clock.advance_to(bench.clock.now() + timedelta(hours=1))
    assert paused() == ["x.org/a"]
    assert len(bench.records("d")) == 6
    bench.pmta("pause", "queue", "*/a")
    bench.pmta("resume", "queue", "x.org/a")
    bench.clock.advance_to(bench.clock.now() + timedelta(hours=1))
    assert paused() == ["y.org/a"]
    assert len(bench.records("d")) == 9


@pytest.mark.parametrize(
    "command", ["pause queue", "resume queue", "disable source 198.51.100.1", "enable source 198.51.100.1"]
)
def test_whether_a_queue_must_be_there_is_an_open_question(bench, command: str) -> None:
    bench.vmtas("a")
    assert bench.pmta(*command.split(), "x.org/a").status == 0
    bench.host.knobs()["holds_need_no_queue"](False)
    refused = bench.pmta(*command.split(), "z.org/a").status
    assert refused == (0 if command.startswith("enable") else 1)
    assert bench.pmta(*command.split(), "*/a").status == 0
