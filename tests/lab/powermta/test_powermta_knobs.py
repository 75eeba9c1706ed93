"""The knobs, and the state that the control shows."""

import hashlib
import inspect
import json
from pathlib import Path

import pytest

from lab.clock import Clock
from lab.powermta.host import Host
from lab.powermta.recipients import Recipients

WANTED = {
    "refuse_test_config",
    "fail_reload",
    "hang_command",
    "command_missing",
    "disk_full",
    "permission_denied",
    "change_host_key",
    "slow",
    "down",
    "up",
    "version",
    "traffic",
    "put_mail_in_queue",
    "rotate_accounting",
    "daily_window",
    "pause_survives_reload",
    "pause_covers_new_queues",
    "disabled_source_survives_reload",
    "holds_need_no_queue",
}


def test_every_knob_says_what_it_does_and_takes_typed_parameters(bench) -> None:
    knobs = bench.host.knobs()
    assert set(knobs) >= WANTED
    for name, knob in knobs.items():
        assert inspect.getdoc(knob), name
        parameters = inspect.signature(knob).parameters.values()
        assert all(each.annotation is not inspect.Parameter.empty for each in parameters), name


def test_a_new_host_has_the_operators_file_and_an_empty_one_for_the_engine(bench) -> None:
    assert "include /etc/pmta/email-engine.conf" in (bench.root / "etc/pmta/config").read_text()
    engine = bench.root / "etc/pmta/email-engine.conf"
    assert all(line.startswith("#") for line in engine.read_text().splitlines())
    assert engine.stat().st_mode & 0o777 == 0o640
    assert (bench.root / "var/log/pmta/done").is_dir()
    state = bench.host.state()
    assert state["digest"] == hashlib.sha256(engine.read_bytes()).hexdigest()
    assert (state["service"], state["vmtas"], state["pools"]) == ("running", {}, {})


def test_a_second_start_keeps_the_files_that_stand_there(bench) -> None:
    text = "<virtual-mta kept>\n</virtual-mta>\n"
    bench.write(text)
    again = Host("mta-1", bench.root, [], "5.0r5", Clock(bench.clock.now()), Recipients())
    assert list(again.state()["vmtas"]) == ["kept"]


def test_test_config_is_refused_until_told_otherwise(bench) -> None:
    knobs = bench.host.knobs()
    knobs["refuse_test_config"]("argument missing")
    for _ in range(3):
        output = bench.pmta("test", "config")
        assert (output.status, output.stderr) == (
            1,
            "Error in line 1 of /etc/pmta/config: argument missing\n",
        )
    assert bench.pmta("reload").status == 0
    knobs["refuse_test_config"]("")
    assert bench.pmta("test", "config").status == 0


def test_reloads_fail_as_often_as_asked_and_leave_what_runs(bench) -> None:
    bench.vmtas("a")
    bench.host.knobs()["fail_reload"](2)
    bench.write("<virtual-mta b>\n</virtual-mta>\n")
    assert [bench.pmta("reload").status for _ in range(3)] == [1, 1, 0]
    assert list(bench.host.state()["vmtas"]) == ["b"]


def test_another_release_knows_other_directives(bench) -> None:
    bench.vmtas("a", inside=" <domain *>\n use-mta-sts yes\n </domain>")
    knobs = bench.host.knobs()
    knobs["version"]("5.0r1")
    assert "use-mta-sts" in bench.host.state()["start_error"]
    knobs["version"]("5.5")
    assert bench.host.state()["service"] == "running"
    with pytest.raises(ValueError, match="not like"):
        knobs["version"]("latest")
    assert bench.host.version == "5.5"


def test_traffic_turns_an_ip_bad_and_good_again(bench) -> None:
    bench.vmtas("a", "b")
    knobs = bench.host.knobs()
    assert knobs["traffic"]("198.51.100.1", hard_bounce_rate=1.0)["hard_bounce_rate"] == 1.0
    for vmta in ("a", "b"):
        bench.submit(5, vmta)
    bench.pass_time(hours=1)
    assert {(row["type"], row["vmta"]) for row in bench.records("d", "b")} == {("b", "a"), ("d", "b")}
    knobs["clear_traffic"]("198.51.100.1")
    bench.submit(5, "a")
    bench.pass_time(hours=1)
    assert ("d", "a") in {(row["type"], row["vmta"]) for row in bench.records("d", "b")}


def test_mail_can_be_put_into_a_queue(bench) -> None:
    bench.vmtas("a")
    assert bench.host.knobs()["put_mail_in_queue"]("a", "gmail.com", 7) == 7
    assert bench.host.state()["queues"] == [
        {"name": "gmail.com/a", "recipients": 7, "paused": False, "mode": "normal"}
    ]
    with pytest.raises(ValueError, match=r"550 5\.5\.0"):
        bench.host.knobs()["put_mail_in_queue"]("nobody", "gmail.com", 1)


@pytest.mark.parametrize("knob", ["slow", "hang_command", "fail_reload"])
def test_negative_numbers_are_refused(bench, knob: str) -> None:
    with pytest.raises(ValueError, match="negative"):
        bench.host.knobs()[knob](-1)


def test_the_state_is_plain_json_and_tells_caps_pools_pauses_and_last_accounting(bench) -> None:
    bench.vmtas(
        "a",
        "b",
        inside=" max-smtp-msg-rate 60/d\n <domain gmail.com>\n max-msg-rate 20/h\n </domain>",
        after="<virtual-mta-pool p>\n virtual-mta a\n</virtual-mta-pool>\n",
    )
    bench.submit(3, "a")
    bench.pass_time(minutes=2)
    bench.pmta("pause", "queue", "*/b")
    bench.pmta("disable", "source", "--reenable-after=1h", "198.51.100.2", "*/b")
    bench.submit(2, "b")
    state = bench.host.state()
    assert json.loads(json.dumps(state)) == state
    assert state["vmtas"]["a"] == {
        "sources": ["198.51.100.1"],
        "hosts": ["mail0.example.com"],
        "max_smtp_msg_rate": "60/d",
        "attempts_in_window": 3,
        "domain_rates": {"gmail.com": "20/h"},
        "queued": 0,
    }
    assert state["pools"] == {"p": ["a"]}
    assert state["queues"] == [{"name": "example.org/b", "recipients": 2, "paused": True, "mode": "normal"}]
    assert state["pauses"] == ["*/b"]
    assert state["disabled_sources"] == [
        {"ip": "198.51.100.2", "queue": "*/b", "until": "2026-11-01T01:02:00+00:00"}
    ]
    assert list(state["last_accounting"]) == ["198.51.100.1"]
    assert state["last_accounting"]["198.51.100.1"].startswith("2026-11-01T00:00:00")
    assert state["messages"] == {"received": 5, "attempted": 3, "waiting": 2}
    assert (
        bench.host.running()["digest"]
        == hashlib.sha256((bench.root / "etc/pmta/email-engine.conf").read_bytes()).hexdigest()
    )


def test_real_time_needs_no_hand_on_the_clock(tmp_path: Path) -> None:
    host = Host("mta-1", tmp_path, ["198.51.100.1"], "5.0r5", Clock(), Recipients())
    host.knobs()["put_mail_in_queue"]("{default}", "gmail.com", 1)
    host.tick()
    assert host.state()["messages"]["attempted"] == 1
    host.close()
