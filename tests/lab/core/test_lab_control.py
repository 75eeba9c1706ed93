"""The control's HTTP face, in process, with small parts that record what is done to them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.control import control_app, read_accounting, render_page
from lab.run import Lab
from lab.testing import example_world
from lab.world import parse_world

START = datetime(2026, 11, 1, 22, 30, tzinfo=UTC)


class Part:
    """Stands for a host or a MailWizz: notes when it ticks."""

    def __init__(self, lab: Lab, name: str, diary: list[tuple[str, datetime]], root: Path = Path()) -> None:
        self._lab, self._name, self._diary = lab, name, diary
        self.root = root
        self.trouble: Exception | None = None

    def tick(self) -> None:
        if self.trouble:
            raise self.trouble
        self._diary.append((self._name, self._lab.clock.now()))

    def state(self) -> dict[str, Any]:
        return {"name": self._name, "digest": "abc", "queues": []}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    raw = example_world(tmp_path, start=START)
    made = Lab(parse_world({key: raw[key] for key in ("state", "clock", "dns")}))
    made.diary = []  # type: ignore[attr-defined]
    made.hosts["mta-1"] = Part(made, "mta-1", made.diary, tmp_path)  # type: ignore[attr-defined]
    made.mailwizz["mw-aurora"] = Part(made, "mw-aurora", made.diary)  # type: ignore[attr-defined]
    made.panel.add("test", {"echo": echo, "fail": fail})
    return made


def echo(word: str = "hello") -> dict[str, str]:
    """Says a word."""
    return {"word": word}


def fail() -> None:
    """Fails as a programme fails."""
    raise RuntimeError("a defect")


def ask(lab: Lab, method: str, path: str, **options: Any) -> httpx.Response:
    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(control_app(lab))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8090") as client:
            headers = {"Content-Type": "application/json"}
            return await client.request(method, path, headers=headers, **options)

    return asyncio.run(request())


def test_knobs_are_listed_and_turned(lab: Lab) -> None:
    assert [knob["name"] for knob in ask(lab, "GET", "/knobs").json()] == ["echo", "fail"]
    turned = ask(lab, "POST", "/knobs/echo", json={"word": "hi"})
    assert (turned.status_code, turned.json()) == (200, {"knob": "echo", "result": {"word": "hi"}})
    assert ask(lab, "POST", "/knobs/echo").json()["result"] == {"word": "hello"}


def test_the_page_shows_each_knob_with_an_example(lab: Lab) -> None:
    page = ask(lab, "GET", "/")
    assert page.headers["content-type"].startswith("text/html")
    assert "python -m lab turn echo" in page.text
    assert "curl -X POST http://127.0.0.1:8090/knobs/echo -H 'Content-Type: application/json'" in page.text


def test_the_page_escapes_what_it_shows() -> None:
    knob = {"name": "<b>", "help": "a & b", "group": "x", "parameters": []}
    page = render_page([knob], "http://lab")
    assert "<b>" not in page
    assert "a &amp; b" in page


def test_the_state_has_every_part(lab: Lab) -> None:
    state = ask(lab, "GET", "/state").json()
    assert state["powermta"]["mta-1"]["name"] == "mta-1"
    assert state["mailwizz"]["mw-aurora"]["name"] == "mw-aurora"
    assert state["clock"] == {"now": START.isoformat(), "mode": "manual"}
    assert (state["telegram"], state["last_error"]) == (None, None)


def test_what_a_host_runs_is_shown(lab: Lab) -> None:
    assert ask(lab, "GET", "/powermta/mta-1/running").json() == {"name": "mta-1", "digest": "abc"}


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("POST", "/knobs/echoo", "{}", "there is no knob echoo; choose: echo, fail"),
        ("POST", "/knobs/echo", '{"volume": 3}', "no parameter 'volume'; there are: word"),
        ("POST", "/knobs/echo", "{", "the body is not JSON"),
        ("POST", "/knobs/echo", "[]", "must be a JSON object"),
        ("POST", "/clock", "{}", 'allowed: {"advance_to"'),
        ("POST", "/clock", '{"release": false}', 'allowed: {"advance_to"'),
        ("POST", "/clock", '{"advance_to": "tomorrow"}', "'tomorrow' is no ISO 8601 time"),
        ("POST", "/clock", '{"advance_to": "2026-11-02T00:00:00"}', "has no time zone"),
        ("POST", "/clock", '{"advance_to": "2026-10-01T00:00:00+00:00"}', "time runs forward"),
        ("GET", "/telegram/messages", "", "this lab has no Telegram"),
        ("GET", "/powermta/mta-9/running", "", "no PowerMTA host mta-9; there are: mta-1"),
        ("GET", "/powermta/mta-1/accounting?ip=nine", "", "'nine' is not an IP address"),
        ("GET", "/powermta/mta-1/accounting?since=monday", "", "since: 'monday' is no ISO 8601 time"),
    ],
)
def test_bad_input_is_answered_with_what_is_allowed(
    lab: Lab, method: str, path: str, body: str, told: str
) -> None:
    answer = ask(lab, method, path, content=body)
    assert answer.status_code == 400
    assert told in answer.json()["error"]


def test_a_defect_is_a_server_error_and_an_unknown_path_not_found(lab: Lab) -> None:
    broken = ask(lab, "POST", "/knobs/fail")
    assert (broken.status_code, broken.json()) == (500, {"error": "RuntimeError: a defect"})
    assert ask(lab, "GET", "/nothing").status_code == 404
    assert ask(lab, "DELETE", "/clock").status_code == 405


def test_time_moves_hour_by_hour_and_mailwizz_goes_first(lab: Lab) -> None:
    to = START + timedelta(hours=2)
    assert ask(lab, "POST", "/clock", json={"advance_to": to.isoformat()}).json()["now"] == to.isoformat()
    moments = [START.replace(hour=23, minute=0), START + timedelta(minutes=90), to]
    assert lab.diary == [(name, at) for at in moments for name in ("mw-aurora", "mta-1")]  # type: ignore[attr-defined]


def test_a_time_in_another_zone_is_understood(lab: Lab) -> None:
    answer = ask(lab, "POST", "/clock", json={"advance_to": "2026-11-02T01:00:00+02:00"})
    assert answer.json()["now"] == "2026-11-01T23:00:00+00:00"


def test_a_part_that_fails_while_time_is_moved_by_hand_is_told(lab: Lab) -> None:
    lab.hosts["mta-1"].trouble = RuntimeError("disk full")
    answer = ask(lab, "POST", "/clock", json={"advance_to": (START + timedelta(hours=1)).isoformat()})
    assert (answer.status_code, answer.json()["error"]) == (500, "RuntimeError: disk full")


def test_the_clock_is_released_only_forward(lab: Lab) -> None:
    lab.clock.advance_to(datetime.now(UTC) + timedelta(days=1))
    refused = ask(lab, "POST", "/clock", json={"release": True})
    assert refused.status_code == 400
    assert "ahead of real time" in refused.json()["error"]


def test_a_released_clock_has_lived_through_the_hours_between(tmp_path: Path) -> None:
    raw = example_world(tmp_path, start=datetime.now(UTC) - timedelta(hours=3))
    lab = Lab(parse_world({key: raw[key] for key in ("state", "clock")}))
    diary: list[tuple[str, datetime]] = []
    lab.hosts["mta-1"] = Part(lab, "mta-1", diary)
    answer = ask(lab, "POST", "/clock", json={"release": True})
    assert answer.json()["mode"] == "real"
    assert len(diary) in (3, 4, 5)
    again = ask(lab, "POST", "/clock", json={"release": True})
    assert again.status_code == 200
    by_hand = ask(lab, "POST", "/clock", json={"advance_to": "2030-01-01T00:00:00+00:00"})
    assert "the lab runs on real time" in by_hand.json()["error"]


HEADER = "type,timeLogged,dlvSourceIp,vmta\n"


def test_accounting_is_counted_by_source_ip(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "log" / "pmta"
    folder.mkdir(parents=True)
    (folder / "acct-1.csv").write_text(
        HEADER
        + "d,2026-11-01 10:00:00+0000,198.51.100.1,a\n"
        + "b,2026-11-01 11:00:00+0000,198.51.100.1,a\n"
        + "d,2026-11-01 12:00:00+0000,198.51.100.2,b\n"
        + "t,2026-11-01 12:00:00+0000,,b\n"
    )
    (folder / "acct-2.csv").write_text(HEADER + "d,2026-11-02 10:00:00+0000,198.51.100.1,a\n")
    (folder / "other.csv").write_text("a,b\n1,2\n")
    (folder / "empty.csv").write_text("")
    both = read_accounting(tmp_path)
    assert both == {
        "198.51.100.1": {"records": 3, "types": {"d": 2, "b": 1}, "last": "2026-11-02 10:00:00+0000"},
        "198.51.100.2": {"records": 1, "types": {"d": 1}, "last": "2026-11-01 12:00:00+0000"},
    }
    late = read_accounting(tmp_path, "198.51.100.1", datetime(2026, 11, 1, 11, tzinfo=UTC))
    assert late["198.51.100.1"]["records"] == 2
    assert list(late) == ["198.51.100.1"]


def test_accounting_is_asked_over_http(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "acct.csv").write_text(HEADER + "d,2026-11-01 10:00:00+0000,198.51.100.1,a\n")
    at = "2026-11-01T10:00:00+00:00"
    found = ask(lab, "GET", f"/powermta/mta-1/accounting?ip=198.51.100.1&since={at}").json()
    assert found["198.51.100.1"]["records"] == 1
    later = ask(lab, "GET", "/powermta/mta-1/accounting", params={"since": "2026-11-01T10:00:01Z"}).json()
    assert later == {}


def in_real_time(tmp_path: Path, scene: Callable[[Lab, Part], Awaitable[None]]) -> None:
    async def play() -> None:
        lab = Lab(parse_world({"state": str(tmp_path)}))
        part = Part(lab, "mta-1", [])
        lab.hosts["mta-1"] = part
        beating = asyncio.create_task(lab.beat())
        await scene(lab, part)
        assert not beating.done()
        beating.cancel()

    asyncio.run(play())


def test_in_real_time_a_failing_part_is_noted_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.run.BEAT", 0.01)

    async def scene(lab: Lab, part: Part) -> None:
        part.trouble = RuntimeError("disk full")
        await asyncio.sleep(0.1)
        assert lab.last_error is not None
        assert (lab.last_error["part"], lab.last_error["error"]) == ("mta-1", "RuntimeError: disk full")
        part.trouble = None
        await asyncio.sleep(0.1)
        assert part._diary

    in_real_time(tmp_path, scene)
