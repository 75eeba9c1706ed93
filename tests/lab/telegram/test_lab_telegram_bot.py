"""The Bot API as a client meets it."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from lab.clock import Clock
from lab.telegram import Telegram
from lab.telegram.limits import FloodControl

TOKEN = "123456:ABC"
CHAT = "-1001"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


class Stopwatch:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Bot:
    """Telegram with a manual clock, called without a socket."""

    def __init__(self, chat: str = CHAT, **config: Any) -> None:
        self.watch = Stopwatch()
        self.telegram = Telegram({"token": TOKEN, "chat_id": chat, **config}, Clock(NOON), self.watch)
        self.turn = self.telegram.knobs()
        self.chat = chat

    def call(self, method: str, token: str = TOKEN, verb: str = "POST", **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.telegram.asgi)
            async with httpx.AsyncClient(transport=transport, base_url="http://telegram.example") as client:
                return await client.request(verb, f"/bot{token}/{method}", **more)

        return asyncio.run(send())

    def send(self, text: str = "hello", **fields: Any) -> httpx.Response:
        return self.call("sendMessage", json={"chat_id": self.chat, "text": text, **fields})


@pytest.fixture
def bot() -> Bot:
    return Bot()


def test_a_message_is_kept_as_it_was_sent_and_answered_as_it_is_read(bot: Bot) -> None:
    result = bot.send("<b>up</b> &amp; away", parse_mode="HTML").json()["result"]
    assert (result["text"], result["entities"]) == ("up & away", [{"type": "bold", "offset": 0, "length": 2}])
    assert result["chat"] == {"id": -1001, "type": "supergroup", "title": "Lab alerts"}
    assert result["date"] == int(NOON.timestamp())
    assert bot.telegram.messages() == [
        {
            "time": "2026-11-01T12:00:00+00:00", "chat": CHAT, "kind": "message", "text": "<b>up</b> &amp; away",
            "plain": "up & away", "parse_mode": "HTML", "message_id": 1,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    "how",
    [
        {"json": {"chat_id": -1001, "text": "x"}},
        {"data": {"chat_id": CHAT, "text": "x"}},
        {"files": {"chat_id": (None, CHAT), "text": (None, "x")}},
        {"verb": "GET", "params": {"chat_id": CHAT, "text": "x"}},
    ],
    ids=["json with a number", "form", "multipart", "query"],
)
def test_parameters_come_in_every_documented_way(bot: Bot, how: dict[str, Any]) -> None:
    assert bot.call("sendMessage", **how).json()["result"]["text"] == "x"


@pytest.mark.parametrize(
    ("fields", "description"),
    [
        ({"chat_id": "-9", "text": "x"}, "Bad Request: chat not found"),
        ({"text": "x"}, "Bad Request: chat_id is empty"),
        ({"chat_id": CHAT, "text": " \n"}, "Bad Request: message text is empty"),
        ({"chat_id": CHAT, "text": "x", "parse_mode": "BBCode"}, "Bad Request: unsupported parse_mode"),
        (
            {"chat_id": CHAT, "text": "<b>x", "parse_mode": "HTML"},
            "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\"",
        ),
    ],
    ids=["chat", "no chat", "empty", "mode", "entities"],
)
def test_bad_requests_say_why(bot: Bot, fields: dict[str, str], description: str) -> None:
    answer = bot.call("sendMessage", json=fields)
    assert (answer.status_code, answer.json()) == (
        400,
        {"ok": False, "error_code": 400, "description": description},
    )
    assert bot.telegram.sent == []


@pytest.mark.parametrize(
    ("text", "status"),
    [("x" * 4095, 200), ("x" * 4096, 200), ("x" * 4097, 400), ("<b>" + "&lt;" * 4096 + "</b>", 200)],
    ids=["4095", "4096", "4097", "4096 after parsing"],
)
def test_the_limit_counts_characters_after_parsing(bot: Bot, text: str, status: int) -> None:
    assert bot.send(text, parse_mode="HTML").status_code == status


@pytest.mark.parametrize("token", ["123456:XYZ", "nonsense"])
def test_a_wrong_token_is_401(bot: Bot, token: str) -> None:
    answer = bot.call("getMe", token=token)
    assert (answer.status_code, answer.json()["description"]) == (401, "Unauthorized")


def test_the_bot_and_its_chat_can_be_asked_for(bot: Bot) -> None:
    assert bot.call("getMe").json()["result"]["username"] == "lab_alerts_bot"
    assert bot.call("getChat", data={"chat_id": CHAT}).json()["result"]["type"] == "supergroup"
    assert bot.call("banChatMember").status_code == 404


@pytest.mark.parametrize("kind", ["photo", "document"])
def test_files_are_taken_with_a_caption(bot: Bot, kind: str) -> None:
    method, fields = f"send{kind.title()}", {"chat_id": CHAT, "caption": "<i>c</i>", "parse_mode": "HTML"}
    answer = bot.call(method, data=fields, files={kind: ("curve.png", b"12345", "image/png")})
    assert answer.json()["result"]["caption"] == "c"
    assert {"file_name": "curve.png", "file_size": 5, "kind": kind}.items() <= bot.telegram.sent[0].items()
    assert bot.call(method, data=fields).status_code == 400
    assert bot.call(method, data={**fields, "caption": "x" * 1025, kind: "id"}).status_code == 400


def test_a_flood_blocks_the_whole_bot_for_retry_after_seconds(bot: Bot) -> None:
    bot.turn["flood"](retry_after=35)
    first = bot.send()
    assert (first.status_code, first.json()) == (
        429,
        {
            "ok": False, "error_code": 429, "description": "Too Many Requests: retry after 35",
            "parameters": {"retry_after": 35},
        },
    )  # fmt: skip
    bot.watch.seconds += 30
    assert bot.send().json()["parameters"] == {"retry_after": 5}
    bot.watch.seconds += 5
    assert bot.send().status_code == 200


def test_failures_pass_when_they_are_used_up(bot: Bot) -> None:
    bot.turn["fail"](calls=2, code=502)
    assert [bot.send().status_code for _ in range(3)] == [502, 502, 200]


def test_a_kicked_bot_is_403_until_calm(bot: Bot) -> None:
    bot.turn["kick"]()
    assert bot.send().status_code == 403
    bot.turn["calm"]()
    assert bot.send().status_code == 200
    assert bot.turn["clear_messages"]() == {"forgotten": 1}


def test_a_hanging_call_is_answered_late(bot: Bot) -> None:
    bot.turn["hang"](seconds=0.2)
    began = time.monotonic()
    assert bot.send().status_code == 200
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(
    ("chat", "gap", "accepted"),
    [("-1001", 3.0, 21), ("-1001", 1.0, 20), ("77", 1.0, 21), ("77", 0.1, 10)],
    ids=["group, 20 a minute", "group, too fast for a minute", "person, one a second", "person, long burst"],
)
def test_real_rates_are_judged_when_asked(chat: str, gap: float, accepted: int) -> None:
    bot = Bot(chat, rate_limits=True)
    codes = []
    for _ in range(21):
        codes.append(bot.send().status_code)
        bot.watch.seconds += gap
    assert codes[accepted:] == [429] * (21 - accepted)
    assert codes[:accepted] == [200] * accepted


def test_rates_are_off_while_the_clock_is_manual(bot: Bot) -> None:
    assert {bot.send().status_code for _ in range(40)} == {200}
    bot.telegram.clock.release()
    assert 429 in {bot.send().status_code for _ in range(40)}


def test_the_bot_as_a_whole_may_send_30_a_second() -> None:
    control = FloodControl(lambda: 1000.0)
    waits = [control.refuse(str(chat), rates=True) for chat in range(31)]
    assert (waits[:30], waits[30]) == ([None] * 30, 5)


def test_it_listens_on_loopback_and_stops() -> None:
    async def scenario() -> tuple[int, bool]:
        telegram = Telegram({"token": TOKEN, "chat_id": CHAT}, Clock(NOON))
        port = await telegram.start(0)
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{port}/bot{TOKEN}/getMe")
        await telegram.close()
        try:
            await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return answer.status_code, True
        return answer.status_code, False

    assert asyncio.run(scenario()) == (200, True)
