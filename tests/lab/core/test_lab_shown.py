"""`lab telegram` and `lab queues`: what a person reads of them, whatever stands in it."""

import json
from typing import Any

import pytest

from lab import __main__ as command
from lab.shown import MOST_ROWS, WIDTH, cells, render_messages, render_queues


def message(number: int, plain: str, **more: Any) -> dict[str, Any]:
    return {
        "time": f"2026-11-01T10:{number:02}:00+00:00", "message_id": number, "plain": plain,
        "text": f"<b>{plain}</b>", "file_name": None,
    } | more  # fmt: skip


def queue(name: str, recipients: int, paused: bool = False, mode: str = "normal") -> dict[str, Any]:
    return {"name": name, "recipients": recipients, "paused": paused, "mode": mode}


def no_wider(text: str) -> bool:
    return max(cells(line) for line in text.splitlines()) <= WIDTH


def test_messages_stand_newest_last_without_tags() -> None:
    told = render_messages([message(1, "first"), message(2, "second\n\n  detail")], 10)
    assert told.splitlines() == [
        "--- 2026-11-01 10:01:00 UTC  no. 1",
        "first",
        "",
        "--- 2026-11-01 10:02:00 UTC  no. 2",
        "second",
        "",
        "  detail",
    ]


def test_of_many_messages_the_last_are_shown_and_the_others_counted() -> None:
    told = render_messages([message(n, f"text {n}") for n in range(1, 6)], 2)
    assert "text 3" not in told
    assert told.index("text 4") < told.index("text 5")
    assert told.startswith("(3 older: --last 5)")


def test_no_message_is_told() -> None:
    assert render_messages([], 3) == "no message has arrived"


@pytest.mark.parametrize(
    "text",
    [
        "word " * 100,
        "x" * 1000,
        "⚠️ 停止中の IP アドレス" * 20,
        "https://example.net/" + "a" * 200,
        " " * 60 + "far in, and long enough to be broken once",
    ],
)
def test_no_line_is_wider_than_a_terminal_and_no_letter_is_lost(text: str) -> None:
    told = render_messages([message(1, text)], 1)
    assert no_wider(told)
    said = "".join("".join(told.splitlines()[1:]).split())
    assert said == "".join(text.replace("️", "").split()) or said == "".join(text.split())


def test_a_message_cannot_drive_the_terminal() -> None:
    told = render_messages(
        [message(1, "red \x1b[31malert\x07 \u202etxt.exe", file_name="a\x1b]0;x\x07.png")], 1
    )
    assert not {"\x1b", "\x07", "\u202e"} & set(told)
    assert "red [31malert" in told


def test_paused_queues_stand_first_then_the_longest() -> None:
    host = {
        "queues": [queue("a.com/v-1", 5), queue("b.com/v-2", 900), queue("c.com/v-3", 0, paused=True),
                   queue("d.com/v-4", 1, mode="backoff")],
        "pauses": ["*/v-3"],
        "disabled_sources": [{"ip": "198.51.100.3", "queue": "*", "until": None}],
    }  # fmt: skip
    lines = render_queues({"mta-1": host}).splitlines()
    assert lines[:3] == [
        "mta-1: paused */v-3",
        "mta-1: source 198.51.100.3 disabled for *, until a person",
        "",
    ]
    assert lines[3].split() == ["host", "queue", "recipients", "paused", "mode"]
    assert [line.split()[1] for line in lines[4:]] == ["d.com/v-4", "c.com/v-3", "b.com/v-2", "a.com/v-1"]
    assert lines[5].split() == ["mta-1", "c.com/v-3", "0", "paused", "normal"]


def test_a_fleet_of_many_queues_is_cut_and_the_rest_is_counted() -> None:
    many = {"queues": [queue(f"provider-{n}.example.com/aurora-{n}", n, paused=n % 2 == 0) for n in range(1, 201)],
            "pauses": [f"*/aurora-{n}" for n in range(100)]}  # fmt: skip
    told = render_queues({"mta-with-a-long-name-1": many})
    assert len(told.splitlines()) == 2 * (MOST_ROWS + 1) + 2
    assert "... and 60 more (--all)" in told
    assert "... and 160 more with " in told
    assert "60 paused or in backoff (--all)" in told
    assert no_wider(told)
    assert "more" not in render_queues({"mta-with-a-long-name-1": many}, everything=True)


def test_a_queue_with_an_endless_name_stays_in_its_column() -> None:
    told = render_queues({"mta-1": {"queues": [queue("x" * 300 + ".example/aurora-\x1b7", 3)]}})
    assert no_wider(told)
    assert told.splitlines()[1].split()[1].endswith("aurora-7")


def test_nothing_that_waits_is_told() -> None:
    assert render_queues({"mta-1": {"queues": []}}) == "no mail waits on mta-1"
    assert render_queues({}) == "no mail waits on any host"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    given: dict[str, Any] = {
        "/telegram/messages": [message(1, "one"), message(2, "two")],
        "/powermta/queues": {"mta-1": {"queues": [queue("a.com/v-1", 5)]}, "mta-2": {"queues": []}},
    }
    monkeypatch.setenv("LAB_CONTROL", "http://127.0.0.1:1")
    monkeypatch.setattr(command, "_request", lambda control, method, path, body=None: given[path])
    return given


def test_the_commands_show_what_was_asked_for(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["telegram", "--last", "1"]) == 0
    assert "one" not in capsys.readouterr().out
    assert command.main(["telegram", "--last", "1", "--json"]) == 0
    assert [each["plain"] for each in json.loads(capsys.readouterr().out)] == ["two"]
    assert command.main(["queues", "mta-2"]) == 0
    assert capsys.readouterr().out == "no mail waits on mta-2\n"
    assert command.main(["queues", "mta-9"]) == 1
    assert capsys.readouterr().err == "lab: no PowerMTA host mta-9; there are: mta-1, mta-2\n"


@pytest.mark.parametrize("number", ["0", "-1", "many", "1.5", "²"])
def test_a_number_of_messages_is_a_number(
    answers: dict[str, Any], number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(["telegram", f"--last={number}"])
    assert "is no number of messages; allowed: 1 or more" in capsys.readouterr().err
