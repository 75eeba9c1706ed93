"""The lab's control: HTTP JSON. Knobs to turn, state to look at, the clock to move.

Bad input is answered by 400 and {"error": what is allowed}, a request that is not of this machine by 403 (`lab.same_origin`).
"""

import csv
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import lru_cache
from html import escape
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from lab.knobs import KnobError
from lab.same_origin import SameOrigin

if TYPE_CHECKING:
    from lab.run import Lab

log = logging.getLogger("lab.control")
RUNNING = (
    "name",
    "version",
    "service",
    "start_error",
    "digest",
    "loaded_at",
    "last_reload_error",
    "vmtas",
    "pools",
)
"""What of a host's state says what it runs."""


class BadInput(ValueError):
    """What was asked cannot be; the text says what can."""


def control_app(lab: "Lab") -> Starlette:
    """The ASGI application."""

    async def page(request: Request) -> Response:
        return HTMLResponse(render_page(lab.panel.describe(), str(request.base_url).rstrip("/")))

    async def knobs(request: Request) -> Any:
        return lab.panel.describe()

    async def turn(request: Request) -> Any:
        name = request.path_params["name"]
        return {"knob": name, "result": await lab.panel.turn(name, await _object(request))}

    async def state(request: Request) -> Any:
        return {
            "clock": _clock(lab),
            "powermta": {name: host.state() for name, host in lab.hosts.items()},
            "mailwizz": {name: mailwizz.state() for name, mailwizz in lab.mailwizz.items()},
            "dns": lab.dns.state() if lab.dns else None,
            "telegram": lab.telegram.state() if lab.telegram else None,
            "ports": lab.ports,
            "last_error": lab.last_error,
        }

    async def clock(request: Request) -> Any:
        return _clock(lab)

    async def move_clock(request: Request) -> Any:
        order = await _object(request)
        match order:
            case {"advance_to": str() as text} if len(order) == 1:
                await lab.advance_to(_moment(text, "advance_to"))
            case {"release": True} if len(order) == 1:
                await lab.release()
            case _:
                raise BadInput('allowed: {"advance_to": "2026-11-02T00:00:00+00:00"} or {"release": true}')
        return _clock(lab)

    async def messages(request: Request) -> Any:
        if lab.telegram is None:
            raise BadInput("this lab has no Telegram")
        return lab.telegram.messages()

    async def queues(request: Request) -> Any:
        wanted = ("queues", "pauses", "disabled_sources")
        states = {name: host.state() for name, host in lab.hosts.items()}
        return {name: {key: state[key] for key in wanted if key in state} for name, state in states.items()}

    async def running(request: Request) -> Any:
        state = _host(lab, request).state()
        return {key: state[key] for key in RUNNING if key in state}

    async def accounting(request: Request) -> Any:
        host = _host(lab, request)
        since = request.query_params.get("since")
        ip = request.query_params.get("ip")
        return read_accounting(host.root, ip and _ip(ip), _moment(since, "since") if since else None)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/knobs", _json(knobs)),
            Route("/knobs/{name}", _json(turn), methods=["POST"]),
            Route("/state", _json(state)),
            Route("/clock", _json(clock)),
            Route("/clock", _json(move_clock), methods=["POST"]),
            Route("/telegram/messages", _json(messages)),
            Route("/powermta/queues", _json(queues)),
            Route("/powermta/{host}/running", _json(running)),
            Route("/powermta/{host}/accounting", _json(accounting)),
        ],
        middleware=[Middleware(SameOrigin, names=lab.control_names)],
        exception_handlers={HTTPException: _http_error},
    )


def read_accounting(root: Path, ip: str | None = None, since: datetime | None = None) -> dict[str, Any]:
    """Counts what stands in a host's accounting files: {source IP: {"records", "types", "last": timeLogged}}.

    Looks at every CSV file below `root` whose header has type, timeLogged and dlvSourceIp, closed or still open.
    """
    counted: dict[str, dict[str, Any]] = {}
    for file in sorted(root.rglob("*.csv")):
        with file.open(newline="", encoding="utf-8", errors="replace") as lines:
            reader = csv.reader(lines)
            header = next(reader, [])
            if not {"type", "timeLogged", "dlvSourceIp"} <= set(header):
                continue
            type_at, logged_at, source_at = (
                header.index(name) for name in ("type", "timeLogged", "dlvSourceIp")
            )
            for row in reader:
                if len(row) != len(header):
                    continue  # the line is being written
                kind, logged, source = row[type_at], row[logged_at], row[source_at]
                if not source or not logged or (ip and source != ip) or (since and _logged(logged) < since):
                    continue
                entry = counted.setdefault(source, {"records": 0, "types": {}, "last": logged})
                entry["records"] += 1
                entry["types"][kind] = entry["types"].get(kind, 0) + 1
                entry["last"] = max(entry["last"], logged)
    return counted


def render_page(knobs: list[dict[str, Any]], address: str) -> str:
    """A page for people: what can be turned, and how."""
    rows = []
    for knob in knobs:
        example = {each["name"]: _example(each) for each in knob["parameters"] if each["required"]}
        words = " ".join(f"{key}={value}" for key, value in example.items())
        parameters = "".join(
            f"<li><code>{escape(each['name'])}</code>: {escape(each['allowed'])}"
            f"{'' if each['required'] else ' (default: ' + escape(json.dumps(each.get('default'))) + ')'}</li>"
            for each in knob["parameters"]
        )
        rows.append(
            f"<section><h2>{escape(knob['name'])}</h2><p>{escape(knob['help'])}</p><ul>{parameters}</ul>"
            f"<pre>python -m lab turn {escape(knob['name'])} {escape(words)}\n"
            f"curl -X POST {escape(address)}/knobs/{escape(knob['name'])} -H 'Content-Type: application/json' "
            f"-d '{escape(json.dumps(example))}'</pre></section>"
        )
    links = "".join(
        f'<a href="{path}">{path}</a> ' for path in ("/state", "/knobs", "/clock", "/telegram/messages")
    )
    return PAGE.replace("{links}", links).replace("{rows}", "\n".join(rows))


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>The lab</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222}
h2{font-size:1.05rem;margin:1.6rem 0 0}p,ul{margin:.2rem 0}pre{background:#f4f4f4;padding:.6rem;overflow:auto}
a{margin-right:1rem}</style>
<h1>The lab</h1><p>PowerMTA, MailWizz, DNS and Telegram, as far as email-engine can tell. Turn a knob and see what the
engine makes of it. <code>make lab</code> lists the same in a terminal.</p><p>{links}</p>
{rows}</html>"""


def _json(handler: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(await handler(request))
        except (BadInput, KnobError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        except Exception as error:
            log.exception("%s %s", request.method, request.url.path)
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, status_code=500)

    return answer


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse(
        {"error": f"{request.method} {request.url.path}: not here; / lists what is"}, status_code=status
    )


async def _object(request: Request) -> dict[str, Any]:
    body = await request.body()
    try:
        given = json.loads(body or b"{}")
    except ValueError as error:
        raise BadInput(f"the body is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise BadInput("the body must be a JSON object of parameters")
    return given


def _clock(lab: "Lab") -> dict[str, Any]:
    return {"now": lab.clock.now().isoformat(), "mode": "manual" if lab.clock.manual else "real"}


def _host(lab: "Lab", request: Request) -> Any:
    name = request.path_params["host"]
    if name not in lab.hosts:
        raise BadInput(f"no PowerMTA host {name}; there are: {', '.join(lab.hosts) or 'none'}")
    return lab.hosts[name]


def _moment(text: str, subject: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # "+" of a query string arrives as a space
    except ValueError:
        raise BadInput(
            f"{subject}: {text!r} is no ISO 8601 time, such as 2026-11-02T00:00:00+00:00"
        ) from None
    if moment.tzinfo is None:
        raise BadInput(f"{subject}: {text!r} has no time zone; write 2026-11-02T00:00:00+00:00")
    return moment.astimezone(UTC)


@lru_cache(maxsize=100_000)
def _logged(text: str) -> datetime:
    """timeLogged "2026-11-01 10:00:00+0000", or without an offset (then UTC)."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _ip(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise BadInput(f"ip: {text!r} is not an IP address") from None


def _example(parameter: dict[str, Any]) -> str:
    by_name = {"ip": "198.51.100.1", "zone": "zen.lab.example", "domain": "198.51.100.1"}
    return by_name.get(parameter["name"], str(parameter["allowed"]).split(" | ")[0])
