"""The web side of one MailWizz: routing as its API has it, bodies as PHP reads them, and the accounting webhook."""

import asyncio
import hashlib
import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import format_datetime
from urllib.parse import parse_qsl

import psycopg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from . import api_campaigns, api_feedback, api_servers, api_subscribers, api_tracking, webhook
from .auth import NO_PERMISSION, caller, may_call, refusal
from .faults import CRASH_PAGE, Faults
from .php_forms import Fields, nest
from .protocol import Call, Reply, Site, encode, error

log = logging.getLogger(__name__)
Handler = Callable[[Site, Call], Reply]
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]
BASES = ("/api/index.php", "/api")
WEBHOOKS = {"dswh/postmastery": (), "dswh/pmta": (1, 9, 15)}
"""Since which version each takes accounting records."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    verb: str
    pattern: re.Pattern[str]
    handler: Handler
    since: tuple[int, ...]

    @property
    def route(self) -> str:
        """What a key's permission calls it: controller and action."""
        controller, action = self.pattern.pattern.split("/")[1], self.handler.__name__
        return f"{controller}/{'index' if action == controller else action}"


def _endpoint(verb: str, path: str, handler: Handler, since: tuple[int, ...] = ()) -> Endpoint:
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[A-Za-z0-9@._-]+)", path)
    return Endpoint(verb, re.compile(pattern), handler, since)


_CAMPAIGN = "/campaigns/{campaign_uid}"
_SUBSCRIBER = "/lists/{list_uid}/subscribers/{subscriber_uid}"
ENDPOINTS = (
    _endpoint("GET", "/delivery-servers", api_servers.index, (1, 9, 17)),
    _endpoint("GET", "/delivery-servers/{server_id}", api_servers.view, (1, 9, 17)),
    _endpoint("GET", "/campaigns", api_campaigns.index),
    _endpoint(
        "GET", "/campaigns/delivery-logs/email-message-id/{message_id}", api_campaigns.delivery_log, (2, 1)
    ),
    _endpoint("GET", _CAMPAIGN, api_campaigns.view),
    _endpoint("PUT", _CAMPAIGN, api_campaigns.update),
    _endpoint("PUT", f"{_CAMPAIGN}/pause-unpause", api_campaigns.pause_unpause),
    _endpoint("PUT", f"{_CAMPAIGN}/mark-sent", api_campaigns.mark_sent),
    _endpoint("GET", f"{_CAMPAIGN}/stats", api_campaigns.stats, (1, 9, 5)),
    _endpoint("GET", f"{_CAMPAIGN}/delivery-logs", api_campaigns.delivery_logs, (2, 1)),
    _endpoint("GET", f"{_CAMPAIGN}/bounces", api_feedback.bounces),
    _endpoint("POST", f"{_CAMPAIGN}/bounces", api_feedback.create_bounce),
    _endpoint("GET", f"{_CAMPAIGN}/complaints", api_feedback.complaints, (2, 1, 14)),
    _endpoint("GET", f"{_CAMPAIGN}/unsubscribes", api_feedback.unsubscribes, (1, 9, 15)),
    _endpoint("GET", f"{_CAMPAIGN}/track-opening/{{subscriber_uid}}", api_tracking.track_opening),
    _endpoint("GET", f"{_CAMPAIGN}/track-url/{{subscriber_uid}}/{{hash}}", api_tracking.track_url),
    _endpoint("POST", f"{_CAMPAIGN}/track-unsubscribe/{{subscriber_uid}}", api_feedback.track_unsubscribe),
    _endpoint("GET", "/lists", api_subscribers.lists),
    _endpoint("GET", "/lists/subscribers/search-by-email-in-all-lists", api_subscribers.search_in_all_lists),
    _endpoint(
        "PUT",
        "/lists/subscribers/unsubscribe-by-email-from-all-lists",
        api_subscribers.unsubscribe_everywhere,
    ),
    _endpoint("GET", "/lists/{list_uid}", api_subscribers.view_list),
    _endpoint("GET", "/lists/{list_uid}/subscribers", api_subscribers.index),
    _endpoint("POST", "/lists/{list_uid}/subscribers", api_subscribers.create),
    _endpoint("GET", "/lists/{list_uid}/subscribers/search-by-email", api_subscribers.search_by_email),
    _endpoint("GET", _SUBSCRIBER, api_subscribers.view),
    _endpoint("PUT", _SUBSCRIBER, api_subscribers.update),
    _endpoint("DELETE", _SUBSCRIBER, api_subscribers.delete),
    _endpoint("PUT", f"{_SUBSCRIBER}/unsubscribe", api_subscribers.unsubscribe),
)
READ_ONLY = "/delivery-servers"


async def _fields(request: Request, method: str) -> Fields:
    """POST: forms only, JSON is not seen. PUT and DELETE: url-encoded or JSON, multipart is not parsed."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "POST":
        if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
            return {}
        async with request.form() as form:
            return nest((name, value) for name, value in form.multi_items() if isinstance(value, str))
    body = await request.body()
    if kind == "application/json":
        try:
            found = json.loads(body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
    if kind == "multipart/form-data" or method == "GET":
        return {}
    return nest(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def find_endpoint(path: str, verb: str, version: tuple[int, ...]) -> tuple[Endpoint, dict[str, str]] | Reply:
    """The handler for a path after the base, or MailWizz's refusal: 404 for no route, 400 for the wrong verb."""
    wrong: str | None = None
    for endpoint in ENDPOINTS:
        match = endpoint.pattern.fullmatch(path)
        if match is None or version < endpoint.since:
            continue
        if endpoint.verb == verb:
            return endpoint, match.groupdict()
        wrong = wrong or endpoint.verb
    if wrong and not path.startswith(READ_ONLY):
        return error(400, f"Only {wrong} requests allowed for this endpoint.")
    return error(404, "Page not found.")


class Web:
    """`asgi` is the application."""

    def __init__(self, site: Site, faults: Faults) -> None:
        self._site = site
        self._faults = faults
        self.asgi = Starlette(routes=[Route("/{path:path}", self._serve, methods=METHODS)])

    async def _serve(self, request: Request) -> Response:
        if self._faults.delay_seconds:
            await asyncio.sleep(self._faults.delay_seconds)
        path = request.url.path
        try:
            since = WEBHOOKS.get(path.strip("/").removeprefix("index.php/"))
            if since is not None and self._site.config.version >= since:
                webhook.take(self._site, await request.body())
                return Response(status_code=200)
            base = next((base for base in BASES if path == base or path.startswith(base + "/")), None)
            if base is None:
                return HTMLResponse("<h1>Page not found</h1>", status_code=404)
            return self._response(request, await self._answer(request, path.removeprefix(base).rstrip("/")))
        except psycopg.Error as trouble:
            log.warning("MailWizz %s: database: %s", self._site.config.name, trouble)
            return HTMLResponse(CRASH_PAGE, status_code=500)

    async def _answer(self, request: Request, path: str) -> Reply:
        fields = await _fields(request, request.method)
        verb = str(
            fields.pop("_method", "") or request.headers.get("x-http-method-override") or request.method
        ).upper()
        trouble = self._faults.before_route(request.method, f"{path}?{request.url.query}")
        if trouble is not None:
            return trouble
        if not path:
            return Reply(200, [])
        found = find_endpoint(path, verb, self._site.config.version)
        if isinstance(found, Reply):
            return found
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        url = f"{request.url.scheme}://{request.headers.get('host', '')}{request.url.path}"
        refused = self._faults.refused(
            refusal(
                self._site.config,
                request.headers,
                request.method,
                url,
                nest(query.items()),
                fields,
                time.time(),
            )
        )
        if (
            refused is None
            and "x-http-method-override" in request.headers
            and request.method not in (verb, "GET")
        ):
            refused = error(400, f"Only {verb} requests allowed for this endpoint.")
        endpoint, parts = found
        customer = caller(self._site.config, request.headers) or self._site.config.customers[0]
        if refused is None and not may_call(self._site.database, self._site.config, customer, endpoint.route):
            refused = error(400, NO_PERMISSION)
        refused = refused or self._faults.before_write(verb)
        if refused is not None:
            return refused
        return endpoint.handler(self._site, Call(parts, query, fields, customer.customer_id))

    def _response(self, request: Request, reply: Reply) -> Response:
        if isinstance(reply.body, str):
            return HTMLResponse(reply.body, status_code=reply.status)
        body = encode(reply.body)
        headers = {}
        if request.method == "GET" and reply.status == 200:
            tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            headers = {
                "ETag": tag,
                "Last-Modified": format_datetime(self._site.now()).replace("-0000", "GMT"),
            }
            if request.headers.get("if-none-match") == tag:
                return Response(status_code=304, headers=headers)
        return Response(body, reply.status, headers, media_type="application/json")
