"""A few lines of Bot API on loopback that answer with whatever status a test asks for next."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

DESCRIPTIONS = {
    400: "Bad Request: can't parse entities: Unsupported start tag",
    401: "Unauthorized",
    403: "Forbidden: bot was kicked from the group chat",
    404: "Not Found",
    429: "Too Many Requests: retry after 1",
    500: "Internal Server Error",
}


class BotApi:
    """`texts`: what was accepted; `requests`: (method, payload) of every call."""

    token = "123456:Secret-Token_of_a_bot"

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self._next: list[tuple[int, dict[str, Any]]] = []
        self._refused: str | None = None
        self.silent = False
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = api._answer(self.path, body)
                if api.silent:
                    time.sleep(1.0)
                    return
                raw = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def connection(self) -> dict[str, Any]:
        """An Airflow connection of type `telegram_alerts`."""
        extra = {"chat_id": "-1001", "base_url": self.url}
        return {"conn_type": "telegram_alerts", "password": self.token, "extra": extra}

    def answer_next(self, *statuses: int, retry_after: int = 1) -> None:
        """The statuses of the next calls, in order; after them everything succeeds."""
        for status in statuses:
            extra = {"parameters": {"retry_after": retry_after}} if status == 429 else {}
            self._next.append((status, extra))

    def refuse(self, word: str | None) -> None:
        """Texts with this word are 400 for another reason than their tags; None: none are."""
        self._refused = word

    def _answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        method = path.rsplit("/", 1)[-1]
        self.requests.append((method, body))
        status, extra = self._next.pop(0) if self._next else (200, {})
        if path != f"/bot{self.token}/{method}":
            status = 401
        if self._refused and self._refused in str(body.get("text")):
            return 400, {"ok": False, "error_code": 400, "description": "Bad Request: strange text"}
        if status != 200:
            return status, {"ok": False, "error_code": status, "description": DESCRIPTIONS[status], **extra}
        if method == "getMe":
            return 200, {"ok": True, "result": {"id": 1, "is_bot": True, "username": "fleet_bot"}}
        if method == "getChat":
            return 200, {"ok": True, "result": {"id": -1001, "type": "supergroup", "title": "Operators"}}
        self.texts.append(body["text"])
        return 200, {"ok": True, "result": {"message_id": len(self.texts)}}


@contextmanager
def closed_port() -> Iterator[str]:
    """A base URL at which nobody listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = server.server_port
    server.server_close()
    yield f"http://127.0.0.1:{port}"
