"""MailWizz's HTTP API (1.9 to 3.x), as far as the engine needs it.

It shows delivery servers read-only, without quotas, and only those that belong to the key's customer: an empty list
says nothing (facts: no API changes a quota). A wrong key is answered with 400; error texts are translated, so codes
decide. Only GET is tried again: MailWizz's POSTs are not idempotent."""

import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import requests

from email_engine.adapters.mailwizz_signature import by_bytes, encode_form, signed_headers
from email_engine.addresses import HTTP, parse_address, refuse_odd_secret, shown
from email_engine.errors import AccessDenied, EngineError, InputError, Refused, Unreachable

BACK_OFF = (0.5, 1.0)
PAGE = 50
MOST_PAGES = 2000
WEBHOOK = "/index.php/dswh/pmta"
DENIED = frozenset({400, 401, 403})
STATUSES = ("success", "error")
"""What each of MailWizz's answers has as `status`."""


class Auth(StrEnum):
    API_KEY = "x-api-key"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class MailwizzEndpoint:
    """One installation. `name` is how errors call it; `base_url` ends in `/api` or `/api/index.php`;
    `private_key` only with `signed`; `timeout` of one request in seconds. Raises InputError."""

    name: str
    base_url: str
    api_key: str = field(repr=False)
    auth: Auth = Auth.API_KEY
    private_key: str = field(default="", repr=False)
    timeout: float = 20.0

    def __post_init__(self) -> None:
        address = parse_address(f"MailWizz {self.name}", self.base_url, schemes=HTTP)
        if address.scheme not in HTTP:
            raise InputError(
                f"MailWizz {self.name}", f"API address {shown(self.base_url)!r}", "an address such as https://mail.example.com/api",
                "correct the host of its mailwizz connection",
            )  # fmt: skip
        if not self.api_key or (self.auth is Auth.SIGNED and not self.private_key):
            raise InputError(
                f"MailWizz {self.name}", "no API key" if not self.api_key else "signed requests without a private key",
                "the key of a customer with API access",
                "fill in the password (and private_key for 1.9) of its mailwizz connection",
            )  # fmt: skip
        for what, secret in (("API key", self.api_key), ("private key", self.private_key)):
            refuse_odd_secret(f"MailWizz {self.name}", what, secret)


@dataclass(frozen=True, slots=True)
class ApiServer:
    """A delivery server as the API shows it."""

    server_id: int
    type: str
    name: str
    hostname: str
    status: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`code`: of HTTP; `body`: MailWizz's JSON object."""

    code: int
    body: dict[str, Any]


def _no_other_login(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from taking a login out of ~/.netrc: the key is all that MailWizz gets."""
    return request


class MailwizzApi:
    """One customer's view of one installation; use it in a `with`.

    Raises AccessDenied (400, 401, 403: MailWizz gives 400 for a wrong key), Unreachable (no answer, 5xx, maintenance)
    and Refused (any other answer that is not MailWizz's)."""

    def __init__(self, endpoint: MailwizzEndpoint) -> None:
        self.endpoint = endpoint
        self._http = requests.Session()
        self._http.headers["Accept"] = "application/json"
        self._http.auth = _no_other_login

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @property
    def views(self) -> "tuple[MailwizzApi, ...]":
        """One for each key of the connection."""
        return (self,)

    def delivery_servers(self) -> tuple[ApiServer, ...]:
        """The customer's own servers, by id; system servers never show. Since MailWizz 1.9.17."""
        return tuple(
            ApiServer(
                server_id=whole(row.get("server_id")) or 0,
                type=str(row.get("type") or ""),
                name=str(row.get("name") or ""),
                hostname=str(row.get("hostname") or ""),
                status=str(row.get("status") or ""),
            )
            for row in self.listing("delivery-servers", "server_id")
        )

    def webhook(self, records: Sequence[Mapping[str, str]], timeout: float = 60.0) -> bool:
        """Hands accounting records to MailWizz's own webhook for PowerMTA (1.9.15 and newer; no login). False where it has none; True
        tells that it was called, and nothing of what it did with them. Raises Unreachable."""
        site = re.sub(r"/api(/index\.php)?/*$", "", self.endpoint.base_url)
        subject = f"MailWizz {self.endpoint.name} at {site}{WEBHOOK}"
        try:
            response = self._http.post(
                f"{site}{WEBHOOK}", json=list(records), timeout=timeout, allow_redirects=False
            )
        except requests.RequestException as error:
            seen = f"no answer ({type(error).__name__})"
            raise Unreachable(subject, seen, "an answer", "see that MailWizz runs").because_of(
                self._cause
            ) from None
        if response.status_code >= 500:
            seen = f"{response.status_code} to POST"
            raise Unreachable(subject, seen, "an answer", "read MailWizz's application log").because_of(
                self._cause
            )
        return response.status_code == 200

    def listing(self, path: str, key: str, **query: Any) -> tuple[dict[str, Any], ...]:
        """All records of a paged list, each once (pages shift while MailWizz adds rows), by `key`."""
        found: dict[str, dict[str, Any]] = {}
        for page in self._pages(path, query):
            for row in page.get("records") or ():
                found.setdefault(str(row.get(key)), row)
        return tuple(found[name] for name in sorted(found, key=lambda word: (len(word), word)))

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """One request; bodies are forms, for MailWizz does not see a JSON POST. Returns the answer's JSON object."""
        return self.answer(method, path, query, form).body

    def answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
        expected: Collection[int] = (),
    ) -> Answer:
        """The same with the answer's code. `expected`: codes above 399 that are an answer to this request and no failure, where it is
        MailWizz that gives them: a web server's own 404 says nothing about what was asked for (Refused)."""
        for wait in (*BACK_OFF, None) if method == "GET" else (None,):
            answer = self._once(method, path, by_bytes(query or {}), dict(form or {}), expected)
            if not isinstance(answer, EngineError):
                return answer
            if wait is None or not isinstance(answer, Unreachable):
                raise answer
            time.sleep(wait)
        raise AssertionError("unreachable")

    def _pages(self, path: str, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        page = 1
        while page <= MOST_PAGES:
            data = self.call("GET", path, {**query, "page": page, "per_page": PAGE}).get("data") or {}
            yield data
            following = whole(data.get("next_page"))
            if following is None or following <= page:
                return
            page = following

    def _once(
        self,
        method: str,
        path: str,
        query: dict[str, Any],
        form: dict[str, Any],
        expected: Collection[int],
    ) -> Answer | EngineError:
        url = f"{self.endpoint.base_url.rstrip('/')}/{path}"
        if self.endpoint.auth is Auth.SIGNED:
            keys = (self.endpoint.api_key, self.endpoint.private_key)
            headers = signed_headers(method, url, query, form, *keys, int(time.time()))
        else:
            headers = {"X-Api-Key": self.endpoint.api_key}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        target = f"{url}?{encode_form(query)}" if query else url
        try:
            response = self._http.request(
                method, target, headers=headers, data=encode_form(form).encode(),
                timeout=self.endpoint.timeout, allow_redirects=False,
            )  # fmt: skip
        except requests.exceptions.SSLError:
            seen = "no answer (TLS failed)"
            return self._unreachable(
                seen, "see its certificate, or whether the address should begin with http://"
            )
        except requests.RequestException as error:
            seen = f"no answer ({type(error).__name__})"
            return self._unreachable(seen, "see that MailWizz runs and the address is right")
        return self._judged(method, path, response, expected)

    def _judged(
        self, method: str, path: str, response: requests.Response, expected: Collection[int]
    ) -> Answer | EngineError:
        try:
            body = response.json()
        except ValueError:
            body = None
        own = isinstance(body, dict) and body.get("status") in STATUSES
        if response.status_code in expected and own:
            return Answer(response.status_code, body)
        told = str(body.get("error") or "") if isinstance(body, dict) else ""
        observed = f"{response.status_code} to {method} {path}{f': {told[:200]}' if told else ''}"
        if response.status_code in DENIED:
            return AccessDenied(
                f"MailWizz {self.endpoint.name}", observed, "a key that MailWizz accepts from this address",
                f"check the API key of its mailwizz connection ({self.endpoint.name}), the key's IP lists and the customer's status",
            ).because_of(self._cause)  # fmt: skip
        if response.status_code == 503:
            return self._unreachable(f"{observed} (maintenance)", "bring MailWizz's API back online")
        if response.status_code >= 500:
            return self._unreachable(observed, "read MailWizz's application log")
        if response.is_redirect:
            return self._refused(
                f"{observed}, sent on to {shown(response.headers.get('location'))}", "use that address"
            )
        if response.ok and isinstance(body, dict) and (own or isinstance(body.get("data"), dict)):
            return Answer(response.status_code, body)
        return self._refused(
            observed,
            "see that the API address ends in /api or /api/index.php, and what the web server before it answers",
        )

    @property
    def _cause(self) -> str:
        """Not its database's: one of the two may answer while the other does not."""
        return f"MailWizz API {self.endpoint.name}"

    def _unreachable(self, observed: str, next_step: str) -> Unreachable:
        where = f"MailWizz {self.endpoint.name} at {self.endpoint.base_url}"
        return Unreachable(where, observed, "an answer", next_step).because_of(self._cause)

    def _refused(self, observed: str, next_step: str) -> Refused:
        where = f"MailWizz {self.endpoint.name} at {self.endpoint.base_url}"
        return Refused(where, observed, "MailWizz's JSON", next_step)


def whole(value: object) -> int | None:
    """MailWizz gives ids and counts as numbers, as text, or null. Raises Refused for anything else."""
    if value is None or value == "":
        return None
    try:
        return int(str(value))
    except ValueError:
        raise Refused("MailWizz", f"{value!r}", "a whole number or null", "see MailWizz's version") from None
