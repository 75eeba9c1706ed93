"""The client of the Bot API against the lab's, with its floods, kicks and failures."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from email_engine.adapters import telegram as module
from email_engine.adapters.telegram import Telegram, TelegramEndpoint
from email_engine.errors import AccessDenied, InputError, Refused, Unreachable
from email_engine_airflow.hooks.telegram_alerts import TelegramAlertsHook
from lab.testing import RunningLab, running_lab

TOKEN, CHAT = "123456:ABC-lab-secret", "-1001"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    state: Path = tmp_path_factory.mktemp("telegram")
    world = {
        "state": str(state),
        "clock": {"mode": "real"},
        "telegram": {"port": 0, "token": TOKEN, "chat_id": CHAT},
    }
    with running_lab(world) as lab:
        yield lab


@pytest.fixture
def base_url(lab: RunningLab) -> str:
    lab.knob("telegram.calm")
    lab.knob("telegram.kick", on=False)
    lab.knob("telegram.limit_rates", on=False)
    lab.knob("telegram.clear_messages")
    return f"http://127.0.0.1:{lab.ready['telegram']}"


def client(base_url: str, token: str = TOKEN, chat_id: str = CHAT, **options: float) -> Telegram:
    return Telegram(TelegramEndpoint(token, chat_id, base_url, **options))  # type: ignore[arg-type]


def texts(lab: RunningLab) -> list[str]:
    return [message["text"] for message in lab.get("/telegram/messages")]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACK_OFF", (0.05, 0.05, 0.05, 0.05))


def test_a_message_arrives_with_its_tags(lab: RunningLab, base_url: str) -> None:
    assert client(base_url).send("<b>1</b> &lt;198.51.100.1&gt;") > 0
    assert texts(lab) == ["<b>1</b> &lt;198.51.100.1&gt;"]


@pytest.mark.parametrize("size", [4095, 4096])
def test_the_longest_message_arrives(lab: RunningLab, base_url: str, size: int) -> None:
    client(base_url).send("x" * size)
    assert len(texts(lab)[0]) == size


def test_a_longer_one_is_refused_once(base_url: str) -> None:
    with pytest.raises(Refused, match="400"):
        client(base_url).send("x" * 4097)


def test_what_telegram_cannot_parse_goes_out_as_plain_text(lab: RunningLab, base_url: str) -> None:
    client(base_url).send("<b>broken &lt;tag")
    assert texts(lab) == ["broken <tag"]


def test_a_flood_is_waited_out_as_long_as_telegram_asks(lab: RunningLab, base_url: str) -> None:
    lab.knob("telegram.flood", retry_after=1, calls=1)
    started = time.monotonic()
    client(base_url).send("after the flood")
    assert time.monotonic() - started >= 1
    assert texts(lab) == ["after the flood"]


def test_a_flood_beyond_the_deadline_is_an_error_at_once(lab: RunningLab, base_url: str) -> None:
    lab.knob("telegram.flood", retry_after=35, calls=1)
    started = time.monotonic()
    with pytest.raises(Unreachable, match="retry after 35"):
        client(base_url, deadline=5).send("x")
    assert time.monotonic() - started < 2


def test_failures_of_telegrams_own_are_tried_again(lab: RunningLab, base_url: str) -> None:
    lab.knob("telegram.fail", calls=3, code=502)
    client(base_url).send("x")
    assert texts(lab) == ["x"]
    lab.knob("telegram.fail", calls=5, code=500)
    with pytest.raises(Unreachable, match="500"):
        client(base_url).send("y")


def test_silence_ends_with_the_deadline(lab: RunningLab, base_url: str) -> None:
    lab.knob("telegram.hang", seconds=3, calls=5)
    with pytest.raises(Unreachable, match="no answer"):
        client(base_url, timeout=0.3, deadline=0.8).send("x")


def test_a_kicked_bot_is_told_what_to_do(lab: RunningLab, base_url: str) -> None:
    lab.knob("telegram.kick", on=True)
    with pytest.raises(AccessDenied, match="add the bot to the chat"):
        client(base_url).send("x")


def test_an_unknown_chat_is_refused(base_url: str) -> None:
    with pytest.raises(Refused, match="chat_id"):
        client(base_url, chat_id="-42").send("x")


@pytest.mark.parametrize("away", [False, True], ids=["refused token", "nobody listens"])
def test_the_token_is_in_no_error_and_no_log(
    base_url: str, caplog: pytest.LogCaptureFixture, away: bool
) -> None:
    token = "99:wrong-and-secret"
    with caplog.at_level(logging.DEBUG), pytest.raises((AccessDenied, Unreachable)) as caught:
        client("http://127.0.0.1:1" if away else base_url, token).send("x")
    error: BaseException | None = caught.value
    while error is not None:
        assert "wrong-and-secret" not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    assert "wrong-and-secret" not in caplog.text
    assert "wrong-and-secret" not in repr(client(base_url, token).endpoint)


def test_it_sends_from_a_running_event_loop_again_and_again(lab: RunningLab, base_url: str) -> None:
    for text in ("one", "two", "three"):
        asyncio.run(client(base_url).asend(text))
    assert texts(lab) == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("token", "chat_id"),
    [("", CHAT), ("no token", CHAT), (TOKEN, ""), (TOKEN, "me; DROP"), ("1:a/../b", CHAT)],
    ids=["empty token", "no token", "no chat", "no chat name", "a path in the token"],
)
def test_what_cannot_be_a_token_or_a_chat_is_refused_without_showing_it(token: str, chat_id: str) -> None:
    with pytest.raises(InputError) as caught:
        TelegramEndpoint(token, chat_id)
    assert not token or token == TOKEN or token not in str(caught.value).replace("not a bot token", "")


def test_the_connections_test_button_says_who_and_where(
    lab: RunningLab, base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(**changes: str) -> TelegramAlertsHook:
        extra = {"chat_id": CHAT, "base_url": base_url}
        fields = {"conn_type": "telegram_alerts", "password": TOKEN, "extra": extra} | changes
        monkeypatch.setenv("AIRFLOW_CONN_ALERTS", json.dumps(fields))
        return TelegramAlertsHook("alerts")

    works, told = connect().test_connection()
    assert works, told
    assert "@lab_alerts_bot" in told
    works, told = connect(password="1:other").test_connection()
    assert (works, "password of the telegram_alerts connection" in told) == (False, True)
