"""Sending: pauses, caps and their windows, retries, expiry, and what a reload does to mail."""

import time
from collections import Counter
from datetime import timedelta

import pytest

from lab.powermta.config_reader import ConfigurationError
from lab.powermta.rate_windows import DailyWindow, FixedWindow, SlidingWindow, WindowRules, window_for

DEFERRED = {"*": {"deferral_rate": 1.0, "hard_bounce_rate": 0, "block_rate": 0}}


def test_mail_leaves_soon_and_in_the_interval_that_passed(bench) -> None:
    bench.vmtas("a")
    bench.submit(50, "a")
    bench.pass_time(hours=1)
    assert len(bench.records("d")) == 50
    assert bench.waiting() == 0
    assert all(
        "2026-11-01 00:00:00+0000" <= row["timeLogged"] <= "2026-11-01 01:00:00+0000"
        for row in bench.records()
    )


def test_mail_handed_over_in_a_jump_of_the_clock_is_spread_over_the_jump(bench) -> None:
    bench.vmtas("a")
    bench.clock.advance_to(bench.clock.now() + timedelta(hours=1))
    bench.submit(60, "a")
    bench.host.tick()
    minutes = Counter(row["timeLogged"][14:16] for row in bench.records("d"))
    assert len(minutes) == 60


def test_a_paused_queue_sends_nothing_until_it_is_resumed(bench) -> None:
    bench.vmtas("a", "b")
    bench.submit(5, "a")
    bench.submit(5, "b")
    assert bench.pmta("pause", "queue", "*/a").stdout == "1 queue(s) paused.\n"
    bench.pass_time(hours=5)
    assert Counter(row["vmta"] for row in bench.records("d")) == {"b": 5}
    bench.pmta("resume", "queue", "*/a")
    bench.pass_time(hours=1)
    assert Counter(row["vmta"] for row in bench.records("d")) == {"a": 5, "b": 5}
    assert min(row["timeLogged"] for row in bench.records("d") if row["vmta"] == "a") >= "2026-11-01 05:00:00"


@pytest.mark.parametrize(("covers", "sent"), [(True, 0), (False, 4)])
def test_whether_a_pause_covers_queues_to_come_is_a_knob(bench, covers: bool, sent: int) -> None:
    bench.host.knobs()["pause_covers_new_queues"](covers)
    bench.vmtas("a")
    bench.pmta("pause", "queue", "*/a")
    bench.submit(4, "a", domain="new.example")
    bench.pass_time(hours=1)
    assert len(bench.records("d")) == sent


@pytest.mark.parametrize(("survives", "sent"), [(True, 0), (False, 4)])
@pytest.mark.parametrize("how", ["reload", "restart"])
def test_whether_a_pause_survives_is_a_knob(bench, survives: bool, sent: int, how: str) -> None:
    bench.host.knobs()["pause_survives_reload"](survives)
    bench.vmtas("a")
    bench.submit(4, "a")
    bench.pmta("pause", "queue", "*/a")
    getattr(bench.host, how)()
    bench.pass_time(hours=1)
    assert len(bench.records("d")) == sent


@pytest.mark.parametrize(("survives", "sent"), [(True, 0), (False, 4)])
@pytest.mark.parametrize("how", ["reload", "restart"])
def test_whether_a_disabled_source_survives_is_a_knob(bench, survives: bool, sent: int, how: str) -> None:
    bench.host.knobs()["disabled_source_survives_reload"](survives)
    bench.vmtas("a")
    bench.submit(4, "a")
    bench.pmta("disable", "source", "198.51.100.1", "*/a")
    getattr(bench.host, how)()
    bench.pass_time(hours=1)
    assert len(bench.records("d")) == sent
    assert bool(bench.host.state()["disabled_sources"]) is survives


@pytest.mark.parametrize("pause", [True, False], ids=["pause stays", "pause goes"])
@pytest.mark.parametrize("source", [True, False], ids=["source stays", "source goes"])
def test_a_failed_reload_forgets_nothing(bench, pause: bool, source: bool) -> None:
    knobs = bench.host.knobs()
    knobs["pause_survives_reload"](pause)
    knobs["disabled_source_survives_reload"](source)
    bench.vmtas("a")
    bench.submit(4, "a")
    bench.pmta("pause", "queue", "*/a")
    bench.pmta("disable", "source", "198.51.100.1", "*/a")
    bench.write("<virtual-mta broken>")
    assert bench.pmta("reload").status == 1
    bench.pass_time(hours=1)
    assert bench.records("d") == []


def test_resuming_one_queue_leaves_the_others_paused(bench) -> None:
    bench.vmtas("a")
    bench.submit(1, "a", domain="x.org")
    bench.submit(1, "a", domain="y.org")
    bench.pmta("pause", "queue", "*/a")
    bench.pmta("resume", "queue", "x.org/a")
    bench.pass_time(hours=1)
    assert [row["queue"] for row in bench.records("d")] == ["x.org/a"]


def test_the_cap_of_a_virtual_mta_counts_all_its_domains(bench) -> None:
    bench.vmtas("a", inside=" max-smtp-msg-rate 10/d")
    for domain in ("x.org", "y.org", "z.org"):
        bench.submit(8, "a", domain=domain)
    bench.pass_time(hours=20)
    assert len(bench.records("d")) == 10
    assert bench.waiting() == 14
    bench.pass_time(hours=20)
    assert Counter(row["timeLogged"][:10] for row in bench.records("d")) == {
        "2026-11-01": 10,
        "2026-11-02": 10,
    }


def test_the_cap_counts_attempts_failed_ones_too(make_bench) -> None:
    bench = make_bench(DEFERRED)
    bench.vmtas("a", inside=" max-smtp-msg-rate 10/d")
    bench.submit(4, "a")
    bench.pass_time(hours=23)
    assert len(bench.records("t")) == 10


def test_the_rate_of_a_domain_holds_for_each_queue(bench) -> None:
    bench.vmtas("a", inside=" <domain *>\n max-msg-rate 5/h\n </domain>")
    for domain in ("x.org", "y.org"):
        bench.submit(12, "a", domain=domain)
    bench.pass_time(minutes=119)
    assert Counter((row["queue"], row["timeLogged"][11:13]) for row in bench.records("d")) == {
        ("x.org/a", "00"): 5,
        ("x.org/a", "01"): 5,
        ("y.org/a", "00"): 5,
        ("y.org/a", "01"): 5,
    }


def test_a_cap_of_none_sends_nothing_and_unlimited_everything(bench) -> None:
    bench.vmtas("a", inside=" max-smtp-msg-rate 0/d")
    bench.submit(3, "a")
    bench.pass_time(hours=30)
    assert bench.records("d") == []
    bench.vmtas("a", inside=" max-smtp-msg-rate unlimited")
    bench.pass_time(hours=1)
    assert len(bench.records("d")) == 3


@pytest.mark.parametrize(
    ("kind", "offset", "sent_after_reload", "sent_next_day"),
    [
        (DailyWindow.FIXED_UTC, 0, 10, 20),  # midnight UTC comes at 00:00
        (DailyWindow.FIXED_LOCAL, -2, 10, 10),  # local midnight comes at 02:00 UTC
        (DailyWindow.SLIDING, 0, 10, 10),  # the first ten were sent at 20:00
        (DailyWindow.RESET_BY_RELOAD, 0, 20, 20),  # a new window begins with the reload at 22:00
    ],
)
def test_the_daily_window_is_a_knob(
    bench, kind: DailyWindow, offset: int, sent_after_reload: int, sent_next_day: int
) -> None:
    bench.host.knobs()["daily_window"](kind, offset)
    bench.pass_time(hours=20)
    bench.vmtas("a", inside=" max-smtp-msg-rate 10/d")
    bench.submit(40, "a")
    bench.pass_time(hours=2)
    assert len(bench.records("d")) == 10
    bench.host.reload()
    bench.pass_time(hours=1)
    assert len(bench.records("d")) == sent_after_reload
    bench.pass_time(hours=2)
    assert len(bench.records("d")) == sent_next_day


def test_lowering_a_cap_by_reload_counts_what_was_sent_today(bench) -> None:
    bench.vmtas("a", inside=" max-smtp-msg-rate 10/d")
    bench.submit(6, "a")
    bench.pass_time(hours=1)
    bench.vmtas("a", inside=" max-smtp-msg-rate 8/d")
    bench.submit(6, "a")
    bench.pass_time(hours=1)
    assert len(bench.records("d")) == 8


@pytest.mark.parametrize("window", [FixedWindow(2, 60, 0), SlidingWindow(2, 60)], ids=["fixed", "sliding"])
def test_a_window_never_lets_more_than_its_limit_through(window: FixedWindow | SlidingWindow) -> None:
    moments, now = [], 1000.0
    for _ in range(7):
        now = window.earliest(now)
        window.take(now)
        moments.append(now)
    assert moments == sorted(moments)
    assert moments[-1] - moments[0] >= 140
    assert all(
        later - earlier >= (60 if isinstance(window, SlidingWindow) else 20)
        for earlier, later in zip(moments, moments[2:], strict=False)
    )


def test_a_window_of_another_length_starts_anew() -> None:
    old = window_for((5, 3600), WindowRules(), None)
    assert old is not None
    assert window_for((9, 3600), WindowRules(), old) is old
    assert window_for((9, 86400), WindowRules(), old) is not old
    assert window_for(None, WindowRules(), old) is None


def test_a_deferred_message_is_tried_again_after_the_intervals_and_expires(make_bench) -> None:
    bench = make_bench(DEFERRED)
    bench.vmtas("a", inside=" <domain *>\n retry-after 10m,30m\n bounce-after 2h\n </domain>")
    bench.submit(1, "a")
    bench.pass_time(hours=3)
    assert [row["timeLogged"][11:16] for row in bench.records("t")] == [
        "00:00",
        "00:10",
        "00:40",
        "01:10",
        "01:40",
    ]
    [expired] = bench.records("b")
    assert (expired["timeLogged"][11:16], expired["bounceCat"]) == ("02:00", "message-expired")
    assert expired["dsnStatus"].startswith("4.4.7 ")
    assert bench.waiting() == 0


def test_mail_that_was_never_tried_expires_too(bench) -> None:
    bench.vmtas("a", inside=" max-smtp-msg-rate 2/d\n <domain *>\n bounce-after 6h\n </domain>")
    bench.submit(5, "a")
    bench.pmta("pause", "queue", "x.org/a")
    bench.submit(1, "a", domain="x.org")
    bench.pass_time(hours=7)
    assert Counter(row["type"] for row in bench.records()) == {"d": 2, "b": 4, "r": 6}
    assert {row["dlvSourceIp"] for row in bench.records("b")} == {""}
    assert {row["timeLogged"][11:16] for row in bench.records("b")} == {"06:00"}


def test_a_virtual_mta_that_is_gone_bounces_its_mail_with_5_3_5(bench) -> None:
    bench.vmtas("a", "b")
    bench.pmta("pause", "queue", "y.org/b")
    bench.submit(3, "b", domain="x.org")
    bench.submit(2, "b", domain="y.org")
    bench.vmtas("a")
    bench.pass_time(hours=1)
    bounced = bench.records("b")
    assert [row["dsnStatus"][:5] for row in bounced] == ["5.3.5"] * 3
    assert {row["queue"] for row in bounced} == {"x.org/b"}
    assert bench.waiting("y.org/b") == 2
    bench.pmta("resume", "queue", "y.org/b")
    bench.pass_time(hours=1)
    assert len(bench.records("b")) == 5


def test_a_failed_reload_keeps_what_runs_and_a_restart_then_fails(bench) -> None:
    bench.vmtas("a", inside=" max-smtp-msg-rate 5/d")
    digest = bench.host.state()["digest"]
    bench.write("<virtual-mta a>\n max-msg-rate 5/d\n</virtual-mta>\n")
    with pytest.raises(ConfigurationError):
        bench.host.reload()
    state = bench.host.state()
    assert (state["digest"], state["service"]) == (digest, "running")
    assert state["vmtas"]["a"]["max_smtp_msg_rate"] == "5/d"
    assert "line 2 of /etc/pmta/email-engine.conf" in state["last_reload_error"]
    bench.submit(9, "a")
    bench.pass_time(hours=1)
    assert len(bench.records("d")) == 5
    assert "line 2" in bench.host.knobs()["restart"]()
    assert bench.submit(1, "a")[0].startswith("421")
    assert bench.pmta("show", "status").status == 1
    bench.write("")
    assert bench.host.knobs()["restart"]() == ""
    assert bench.host.state()["service"] == "running"


def test_a_disabled_source_sends_nothing_until_it_is_enabled(bench) -> None:
    bench.vmtas("a")
    bench.pmta("disable", "source", "198.51.100.1", "x.org/a")
    bench.submit(2, "a", domain="x.org")
    bench.submit(2, "a", domain="y.org")
    bench.pass_time(hours=1)
    assert {row["queue"] for row in bench.records("d")} == {"y.org/a"}
    assert bench.pmta("enable", "source", "198.51.100.1", "*/*").status == 0
    bench.pass_time(hours=1)
    assert len(bench.records("d")) == 4


def test_a_disabled_source_comes_back_after_its_time(bench) -> None:
    bench.vmtas("a")
    bench.pmta("disable", "source", "--reenable-after=90m", "198.51.100.1", "*/a")
    bench.submit(2, "a")
    bench.pass_time(hours=2)
    assert {row["timeLogged"][11:16] for row in bench.records("d")} == {"01:30"}


def test_several_source_hosts_take_turns_and_a_disabled_one_is_left_out(bench) -> None:
    bench.vmtas("a", inside=" smtp-source-host 198.51.100.2 mail2.example.com")
    bench.submit(4, "a")
    bench.pass_time(hours=1)
    assert Counter(row["dlvSourceIp"] for row in bench.records("d")) == {"198.51.100.1": 2, "198.51.100.2": 2}
    bench.pmta("disable", "source", "198.51.100.1", "*/a")
    bench.submit(4, "a")
    bench.pass_time(hours=1)
    assert Counter(row["dlvSourceIp"] for row in bench.records("d"))["198.51.100.2"] == 6


def test_an_address_that_the_host_does_not_have_sends_nothing(bench) -> None:
    bench.load("<virtual-mta a>\n smtp-source-host 203.0.113.77 mail.example.com\n</virtual-mta>\n")
    bench.submit(3, "a")
    bench.pass_time(hours=1)
    assert bench.records("d", "b", "t") == []
    assert {row["dsnDiag"] for row in bench.records("tq")} == {"smtp;cannot bind to local address"}
    assert bench.waiting() == 3


def test_behind_nat_the_local_address_is_bound_and_recorded_and_receivers_see_the_public_one(
    make_bench,
) -> None:
    bench = make_bench(nat={"10.0.0.5": "198.51.100.1"})
    bench.host.recipients.set_rates("198.51.100.1", deferral_rate=1.0)
    bench.load(
        "<virtual-mta a>\n smtp-source-host 10.0.0.5 mail1.example.com\n</virtual-mta>\n"
        "<virtual-mta b>\n smtp-source-host 198.51.100.1 mail1.example.com\n</virtual-mta>\n"
    )
    bench.submit(2, "a")
    bench.submit(1, "b")
    bench.pass_time(hours=1)
    assert {(row["dlvSourceIp"], row["vmta"]) for row in bench.records("t")} == {("10.0.0.5", "a")}
    assert {(row["vmta"], row["dsnDiag"]) for row in bench.records("tq")} == {
        ("b", "smtp;cannot bind to local address")
    }
    bench.host.recipients.set_rates("198.51.100.1", deferral_rate=0, complaint_rate=1.0)
    bench.submit(1, "a", domain="yahoo.com")
    bench.pass_time(hours=24)
    assert {row["dlvSourceIp"] for row in bench.records("f")} == {"198.51.100.1"}


def test_a_provider_that_is_away_holds_the_queue_with_tq_records(bench) -> None:
    bench.vmtas("a", inside=" <domain *>\n retry-after 20m\n </domain>")
    bench.host.knobs()["unreachable"]("gmail")
    bench.submit(3, "a", domain="gmail.com")
    bench.pass_time(minutes=50)
    assert [row["timeLogged"][11:16] for row in bench.records("tq")] == ["00:00", "00:20", "00:40"]
    bench.host.knobs()["unreachable"]("gmail", on=False)
    bench.pass_time(hours=1)
    assert len(bench.records("d")) == 3


def test_a_reply_pattern_puts_the_queue_into_backoff_and_slows_it(make_bench) -> None:
    bench = make_bench({"yahoo": {"deferral_rate": 1.0, "hard_bounce_rate": 0, "block_rate": 0}})
    patterns = "<smtp-pattern-list l>\n reply /\\[TSS?0[0-9]\\]/ mode=backoff\n</smtp-pattern-list>\n"
    settings = " <domain *>\n smtp-pattern-list l\n backoff-max-msg-rate 1/h\n backoff-to-normal-after 5h\n backoff-retry-after 1h\n </domain>"
    bench.vmtas("a", inside=settings, after=patterns)
    bench.submit(40, "a", domain="yahoo.com")
    bench.pass_time(hours=3)
    state = {queue["name"]: queue["mode"] for queue in bench.host.state()["queues"]}
    assert state == {"yahoo.com/a": "backoff"}
    assert len(bench.records("t")) < 15


def test_a_day_of_a_large_fleet_takes_little_time(make_bench) -> None:
    bench = make_bench({})
    names = tuple(f"v{n}" for n in range(9))
    bench.vmtas(*names)
    began = time.process_time()
    for hour in range(24):
        bench.clock.advance_to(bench.clock.now() + timedelta(hours=1))
        for name in names:
            bench.submit(90, name, domain=("gmail.com", "yahoo.com", "x.org")[hour % 3])
        bench.host.tick()
    assert bench.host.sending.sent >= 19000
    assert time.process_time() - began < 3  # 60,000 messages take about a second on a quiet core
