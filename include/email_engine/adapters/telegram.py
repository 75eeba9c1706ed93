"""The Bot API as far as alerts need it: sendMessage, and who the bot is.

The token is part of every URL. It never leaves this file: httpx's own errors and log lines, which carry the URL, are
turned into errors and lines without it.

One request waits at most `timeout` seconds, one message at most `deadline` seconds for another try. Telegram's 429 names the
seconds to wait (`parameters.retry_after`); the whole bot is blocked meanwhile, so nothing is sent before."""

import asyncio
import logging
import re
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from email_engine.adapters.telegram_text import plain
from email_engine.addresses import HTTP, parse_address, refuse_odd_secret
from email_engine.errors import AccessDenied, EngineError, InputError, Refused, Unreachable

BASE_URL = "https://api.telegram.org"
TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")
BACK_OFF = (1.0, 2.0, 4.0, 8.0)


class Throttled(Unreachable):
    """Telegram wants no message of this bot for `retry_after` seconds, which is longer than the deadline."""

    def __init__(self, subject: str, observed: str, allowed: str, next_step: str, retry_after: float) -> None:
        super().__init__(subject, observed, allowed, next_step)
        self.retry_after = retry_after


class Unanswered(Unreachable):
    """A message went out and no answer came back: it may have been delivered or not, so it is not tried again here."""


class _NoToken(logging.Filter):
    """httpx logs each request's URL at INFO; this takes the token out of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _redact(record.getMessage()), ()
        return True


def _redact(text: str) -> str:
    return re.sub(r"/bot[^/\s]+", "/bot***", text)


logging.getLogger("httpx").addFilter(_NoToken())


@dataclass(frozen=True, slots=True)
class TelegramEndpoint:
    """Where alerts go. `chat_id` is a number or an `@channel`; `thread_id` a topic of a forum group;
    `timeout` and `deadline` in seconds. Raises InputError for what cannot be a token or a chat."""

    token: str = field(repr=False)
    chat_id: str
    base_url: str = BASE_URL
    thread_id: int | None = None
    timeout: float = 20.0
    deadline: float = 20.0

    def __post_init__(self) -> None:
        parse_address("Telegram", self.base_url, schemes=HTTP)
        if self.token and self.token.isprintable():
            refuse_odd_secret("Telegram", "bot token", self.token)
        if not TOKEN.fullmatch(self.token):
            raise InputError(
                "Telegram", "the password is not a bot token", "<number>:<letters> as @BotFather gave it",
                "put the bot's token into the password of the telegram_alerts connection",
            )  # fmt: skip
        if not re.fullmatch(r"-?[0-9]+|@[A-Za-z0-9_]+", self.chat_id):
            raise InputError(
                "Telegram", f"chat id {self.chat_id!r}", "a number such as -1001234567890, or @channel",
                "set chat_id in the extra fields of the telegram_alerts connection",
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Answer:
    """`status` 0: nothing came back, `text` says why; `left`: the request may have arrived."""

    status: int
    body: dict[str, Any]
    text: str = ""
    left: bool = False

    @property
    def retry_after(self) -> float | None:
        if self.status != 429:
            return None
        asked = (self.body.get("parameters") or {}).get("retry_after")
        return float(asked) if isinstance(asked, int | float) and 0 <= asked < 1e6 else None


_Conversation = Generator[_Call | float, _Answer | None, dict[str, Any]]


class Telegram:
    """Sends messages to one chat, from ordinary code (`send`) and from an event loop (`asend`).

    Raises Unreachable (network, 5xx), Throttled (429 beyond the deadline), Unanswered (sent, no answer), AccessDenied (401, 403, 404: bad token or a bot
    that may not write there) and Refused (400)."""

    def __init__(self, endpoint: TelegramEndpoint) -> None:
        self.endpoint = endpoint

    def send(self, html: str) -> int:
        """Sends one message of at most 4096 characters; returns its message id."""
        return self._run(self._message(html))

    async def asend(self, html: str) -> int:
        """Like `send`, for a running event loop."""
        return await self._arun(self._message(html))

    def who(self) -> str:
        """The bot's name (`getMe`): proves the token."""
        return str(self._run(self._retried("getMe", {})).get("username", "?"))

    def chat(self) -> str:
        """The chat's title (`getChat`): proves that the bot knows the chat."""
        chat = self._run(self._retried("getChat", {"chat_id": self.endpoint.chat_id}))
        return str(chat.get("title") or chat.get("username") or self.endpoint.chat_id)

    def _run(self, conversation: Generator[_Call | float, _Answer | None, Any]) -> Any:
        with httpx.Client(timeout=self.endpoint.timeout) as client:
            answer = None
            while True:
                try:
                    step = conversation.send(answer)
                except StopIteration as end:
                    return end.value
                if isinstance(step, float):
                    time.sleep(step)
                    answer = None
                    continue
                try:
                    answer = _read(client.post(self._url(step.method), json=step.payload))
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    answer = _silence(error)

    async def _arun(self, conversation: Generator[_Call | float, _Answer | None, Any]) -> Any:
        async with httpx.AsyncClient(timeout=self.endpoint.timeout) as client:
            answer = None
            while True:
                try:
                    step = conversation.send(answer)
                except StopIteration as end:
                    return end.value
                if isinstance(step, float):
                    await asyncio.sleep(step)
                    answer = None
                    continue
                try:
                    answer = _read(await client.post(self._url(step.method), json=step.payload))
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    answer = _silence(error)

    def _url(self, method: str) -> str:
        return f"{self.endpoint.base_url.rstrip('/')}/bot{quote(self.endpoint.token, safe=':')}/{method}"

    def _message(self, html: str) -> Generator[_Call | float, _Answer | None, int]:
        payload: dict[str, Any] = {
            "chat_id": self.endpoint.chat_id,
            "link_preview_options": {"is_disabled": True},
        }
        if self.endpoint.thread_id is not None:
            payload["message_thread_id"] = self.endpoint.thread_id
        try:
            sent = yield from self._retried("sendMessage", payload | {"text": html, "parse_mode": "HTML"})
        except Refused as error:
            if "parse entities" not in error.observed:
                raise
            sent = yield from self._retried("sendMessage", payload | {"text": plain(html)})
        return int(sent.get("message_id", 0))

    def _retried(self, method: str, payload: dict[str, Any]) -> _Conversation:
        left = self.endpoint.deadline
        for attempt in range(len(BACK_OFF) + 1):
            started = time.monotonic()
            answer = yield _Call(method, payload)
            if answer is None:
                raise RuntimeError("a call must be answered")
            left -= time.monotonic() - started
            if answer.status == 200 and answer.body.get("ok"):
                result = answer.body.get("result")
                return result if isinstance(result, dict) else {}
            failure = self._failure(answer)
            if answer.left and method == "sendMessage":
                raise Unanswered(
                    failure.subject, failure.observed, failure.allowed, "it may have arrived; see the chat"
                )
            wait = _wait(answer, attempt)
            if wait is None or wait > left or attempt == len(BACK_OFF):
                raise failure
            left -= wait
            yield wait
        raise AssertionError("unreachable")

    def _failure(self, answer: _Answer) -> EngineError:
        where = f"Telegram chat {self.endpoint.chat_id} at {self.endpoint.base_url}"
        seen = _redact(answer.text).replace(self.endpoint.token, "***")
        if answer.status in (401, 404):
            return AccessDenied(
                where, f"{answer.status} {seen}", "a token that Telegram knows",
                "check the password of the telegram_alerts connection with @BotFather",
            )  # fmt: skip
        if answer.status == 403:
            return AccessDenied(
                where,
                f"403 {seen}",
                "a bot that may write to the chat",
                "add the bot to the chat or unblock it",
            )
        if answer.status == 400:
            return Refused(
                where, f"400 {seen}", "a chat and a text that Telegram accepts",
                "check chat_id and thread_id of the telegram_alerts connection",
            )  # fmt: skip
        if answer.status == 429:
            return Throttled(
                where, f"429 {seen}", f"an answer within {self.endpoint.deadline:.0f} s",
                "alerts stay pending and go out when Telegram allows it again",
                answer.retry_after or BACK_OFF[-1],
            )  # fmt: skip
        return Unreachable(
            where, f"{answer.status or 'no answer'} {seen}", "200 from the Bot API",
            "check network, proxy and base_url; alerts stay pending and go out with the next run",
        )  # fmt: skip


def _read(response: httpx.Response) -> _Answer:
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    return _Answer(response.status_code, body, str(body.get("description") or response.reason_phrase))


NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


def _silence(error: Exception) -> _Answer:
    return _Answer(0, {}, f"{type(error).__name__}: {error}", left=not isinstance(error, NOT_SENT))


def _wait(answer: _Answer, attempt: int) -> float | None:
    """Seconds before the next attempt; None if another attempt is pointless."""
    if answer.retry_after is not None:
        return answer.retry_after
    if answer.status in (0, 429) or answer.status >= 500:
        return BACK_OFF[min(attempt, len(BACK_OFF) - 1)]
    return None
