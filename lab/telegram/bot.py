"""The Bot API: sendMessage and its few relatives for one bot and one chat."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from lab.clock import Clock
from lab.mailwizz.serving import HttpServer
from lab.ports import LOOPBACK

from .entities import ParseError, parse_text
from .limits import FloodControl

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
ENTITY_LIMIT = 100
GROUP_BOT = {"is_bot": True, "first_name": "Lab", "username": "lab_alerts_bot"}


class ApiError(Exception):
    """An answer with ok=false."""

    def __init__(self, code: int, description: str, retry_after: int | None = None) -> None:
        super().__init__(description)
        self.code, self.description, self.retry_after = code, description, retry_after

    def body(self) -> dict[str, Any]:
        told: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        return told | (
            {"parameters": {"retry_after": self.retry_after}} if self.retry_after is not None else {}
        )


@dataclass(frozen=True, slots=True)
class Attachment:
    """An uploaded file; its bytes are not kept."""

    name: str
    size: int


class Telegram:
    """`config`: token and chat_id (a mapping or a dataclass), and rate_limits: true, false, or absent for "while the
    clock runs in real time". `sent` holds the messages that arrived, as JSON-like dicts, oldest first."""

    def __init__(self, config: Any, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        settings = dict(config) if isinstance(config, Mapping) else asdict(config)
        self.token, self.chat_id = str(settings["token"]), str(settings["chat_id"])
        self.rate_limits: bool | None = settings.get("rate_limits")
        self.clock = clock
        self.port = 0
        self.sent: list[dict[str, Any]] = []
        self.flood_control = FloodControl(monotonic)
        number = self.token.partition(":")[0]
        self._bot_id = int(number) if number.isdigit() else 1
        self._next_id = 1
        self._failures: list[int] = []
        self._hanging = 0
        self._hang_seconds = 0.0
        self._kicked = False
        routes = [Route("/bot{token}/{method}", self._serve, methods=["GET", "POST"])]
        self.asgi = Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found})
        self._server = HttpServer(self.asgi)

    async def start(self, port: int, host: str = LOOPBACK) -> int:
        """Listens on `host` (port 0: a free one). Returns the port."""
        self.port = await self._server.start(port, host)
        return self.port

    async def close(self) -> None:
        await self._server.close()

    def messages(self) -> list[dict[str, Any]]:
        """What arrived, oldest first: time, chat, kind, text as it was sent, plain text, parse_mode, message_id."""
        return [dict(message) for message in self.sent]

    def state(self) -> dict[str, Any]:
        return {"port": self.port, "chat_id": self.chat_id, "messages": self.messages()}

    def knobs(self) -> dict[str, Callable[..., Any]]:
        """Name to function with keyword arguments."""
        return {
            "flood": self.flood,
            "fail": self.fail,
            "hang": self.hang,
            "kick": self.kick,
            "limit_rates": self.limit_rates,
            "calm": self.calm,
            "clear_messages": self.clear_messages,
        }

    def flood(self, retry_after: int = 3, calls: int = 1) -> dict[str, Any]:
        """The next calls get 429 with retry_after; for so many real seconds nothing else passes either."""
        self.flood_control.forced, self.flood_control.forced_seconds = calls, retry_after
        return {"retry_after": retry_after, "calls": calls}

    def fail(self, calls: int = 1, code: int = 500) -> dict[str, Any]:
        """The next calls get an error code of Telegram's own: 500, 502."""
        self._failures = [code] * calls
        return {"calls": calls, "code": code}

    def hang(self, seconds: float = 30.0, calls: int = 1) -> dict[str, Any]:
        """The next calls are answered only after so many real seconds."""
        self._hang_seconds, self._hanging = seconds, calls
        return {"seconds": seconds, "calls": calls}

    def kick(self, on: bool = True) -> dict[str, Any]:
        """The bot is no member of the chat any more: 403."""
        self._kicked = on
        return {"kicked": on}

    def limit_rates(self, on: bool = True) -> dict[str, Any]:
        """Telegram's real rates (1 a second a chat after a burst, 20 a minute in a group), by real time."""
        self.rate_limits = on
        return {"rate_limits": on}

    def calm(self) -> dict[str, Any]:
        """Everything works again at once."""
        self.flood_control.release()
        self._failures, self._hanging, self._kicked = [], 0, False
        return {"calm": True}

    def clear_messages(self) -> dict[str, Any]:
        """Forgets the messages that arrived."""
        forgotten = len(self.sent)
        self.sent.clear()
        return {"forgotten": forgotten}

    async def _serve(self, request: Request) -> JSONResponse:
        try:
            result = await self._answer(request)
        except ApiError as error:
            return JSONResponse(error.body(), error.code)
        return JSONResponse({"ok": True, "result": result})

    async def _answer(self, request: Request) -> Any:
        if request.path_params["token"] != self.token:
            raise ApiError(401, "Unauthorized")
        fields = await _fields(request)
        if self._hanging > 0:
            self._hanging -= 1
            await asyncio.sleep(self._hang_seconds)
        if self._failures:
            raise ApiError(self._failures.pop(), "Internal Server Error")
        bot = {"id": self._bot_id, **GROUP_BOT}
        method = request.path_params["method"].lower()
        if method == "getme":
            return {
                **bot,
                "can_join_groups": True,
                "can_read_all_group_messages": False,
                "supports_inline_queries": False,
            }
        if method not in ("getchat", "sendmessage", "sendphoto", "senddocument"):
            raise ApiError(404, "Not Found: method not found")
        chat = self._chat(fields)
        if method == "getchat":
            return chat
        rates = not self.clock.manual if self.rate_limits is None else self.rate_limits
        wait = self.flood_control.refuse(self.chat_id, rates)
        if wait is not None:
            raise ApiError(429, f"Too Many Requests: retry after {wait}", wait)
        return self._take(method.removeprefix("send"), fields, chat, bot)

    def _chat(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        wanted = str(fields.get("chat_id", ""))
        if not wanted:
            raise ApiError(400, "Bad Request: chat_id is empty")
        if wanted != self.chat_id:
            raise ApiError(400, "Bad Request: chat not found")
        if self._kicked:
            raise ApiError(403, "Forbidden: bot was kicked from the group chat")
        number = int(wanted) if wanted.lstrip("-").isdigit() else 0
        if wanted.startswith("-"):
            return {"id": number, "type": "supergroup", "title": "Lab alerts"}
        return {"id": number, "type": "private", "first_name": "Operator"}

    def _take(
        self, kind: str, fields: Mapping[str, Any], chat: dict[str, Any], bot: dict[str, Any]
    ) -> dict[str, Any]:
        attached = fields.get(kind)
        if kind != "message" and not attached:
            raise ApiError(400, f"Bad Request: there is no {kind} in the request")
        source = str(fields.get("text" if kind == "message" else "caption", ""))
        mode = str(fields.get("parse_mode") or "")
        try:
            plain, entities = parse_text(source, mode)
        except ParseError as error:
            raise ApiError(400, f"Bad Request: can't parse entities: {error}") from None
        except LookupError:
            raise ApiError(400, "Bad Request: unsupported parse_mode") from None
        if kind == "message" and not plain.strip():
            raise ApiError(400, "Bad Request: message text is empty")
        if len(plain) > (TEXT_LIMIT if kind == "message" else CAPTION_LIMIT):
            raise ApiError(400, f"Bad Request: message {'' if kind == 'message' else 'caption '}is too long")
        now = self.clock.now()
        message_id, self._next_id = self._next_id, self._next_id + 1
        kept: dict[str, Any] = {
            "time": now.isoformat(),
            "chat": self.chat_id,
            "kind": kind,
            "text": source,
            "plain": plain,
        }
        kept |= {"parse_mode": mode or None, "message_id": message_id}
        shown = [entity.as_json() for entity in entities[:ENTITY_LIMIT]]
        answer: dict[str, Any] = {
            "message_id": message_id,
            "from": bot,
            "chat": chat,
            "date": int(now.timestamp()),
        }
        if kind == "message":
            answer |= {"text": plain} | ({"entities": shown} if shown else {})
        else:
            name = attached.name if isinstance(attached, Attachment) else str(attached)
            kept |= {
                "file_name": name,
                "file_size": attached.size if isinstance(attached, Attachment) else None,
            }
            answer |= {"caption": plain, kind: {"file_id": f"lab-{message_id}", "file_name": name}}
            answer |= {"caption_entities": shown} if shown else {}
        self.sent.append(kept)
        return answer


async def _fields(request: Request) -> dict[str, Any]:
    """Parameters from the query, a JSON object, a form or multipart, as the Bot API takes them all."""
    fields: dict[str, Any] = dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            found = await request.json()
        except ValueError:
            raise ApiError(400, "Bad Request: can't parse JSON object") from None
        if not isinstance(found, dict):
            raise ApiError(400, "Bad Request: can't parse JSON object")
        return fields | found
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        async with request.form() as form:
            for name, value in form.items():
                fields[name] = (
                    value if isinstance(value, str) else Attachment(value.filename or "", value.size or 0)
                )
    return fields


async def _not_found(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse(ApiError(404, "Not Found").body(), 404)
