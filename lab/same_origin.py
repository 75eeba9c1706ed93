"""Only this machine's own programs and pages may speak to the control: a page of somebody else, opened in a browser here,
could otherwise post to it, or reach it under a name of its own that points to 127.0.0.1 (DNS rebinding). Where the lab serves
other machines, whoever starts it says under which further names they ask."""

import re
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

NAMES = ("127.0.0.1", "localhost", "[::1]")
WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")


class SameOrigin:
    """ASGI middleware: a loopback name (or one of `names`, lower case, without a port) with our port as Host, no foreign Origin,
    JSON alone in what changes something."""

    def __init__(self, app: ASGIApp, names: Iterable[str] = ()) -> None:
        self.app = app
        self.names = (*NAMES, *names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refused := refusal(scope, self.names)):
            status, text = refused
            await JSONResponse({"error": text}, status_code=status)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def refusal(scope: Scope, names: tuple[str, ...] = NAMES) -> tuple[int, str] | None:
    """HTTP status and text for a request that is not ours; None for one that is."""
    headers = Headers(scope=scope)
    ours = _hosts(scope, names)
    hosts = headers.getlist("host")
    if len(hosts) != 1 or hosts[0].lower() not in ours:
        return 403, f"Host: {_seen(hosts)}; allowed: {' | '.join(ours)}"
    origins = headers.getlist("origin")
    if any(origin.lower() not in {f"http://{host}" for host in ours} for origin in origins):
        return 403, f"Origin: {_seen(origins)}; allowed: none, or http:// and {' | '.join(ours)}"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not _navigates(
        scope, headers
    ):
        return 403, f"Sec-Fetch-Site: {_seen([headers['sec-fetch-site']])}; allowed: none | same-origin"
    if scope["method"] not in WITHOUT_BODY:
        kind = headers.get("content-type", "")
        if not re.fullmatch(r"application/json(\s*;\s*charset=\"?utf-8\"?)?\s*", kind, re.IGNORECASE):
            return 415, f"Content-Type: {_seen([kind] if kind else [])}; allowed: application/json"
    return None


def _hosts(scope: Scope, names: tuple[str, ...]) -> list[str]:
    server = scope.get("server") or (NAMES[0], None)
    port = server[1] or 80
    return [f"{name}:{port}" for name in names] + (list(names) if port == 80 else [])


def _navigates(scope: Scope, headers: Headers) -> bool:
    """A person who follows a link to a page of ours: the page that had the link sees nothing of it."""
    return scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"


def _seen(values: list[str]) -> str:
    return repr(", ".join(values)[:80]) if values else "none"
