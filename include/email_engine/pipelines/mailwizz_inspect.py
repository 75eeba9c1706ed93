"""A look at one MailWizz installation for whoever sets it up: what version it is, what the engine can read and write there,
and what its API key may do. Nothing is changed."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from email_engine.adapters.mailwizz_api import MailwizzApi
from email_engine.adapters.mailwizz_traffic import campaign_of_each_customer
from email_engine.errors import AccessDenied, EngineError
from email_engine.fleet.model import MailwizzInstance
from email_engine.mailer.catalogue import SERVER, Catalogue, guess_version
from email_engine.mailer.model import DeliveryServer, Warmup
from email_engine.pipelines.clients import Clients

NOBODY = "engine0nobody"
"""A uid that MailWizz gives to nobody: what is tried with it ends in 404 and changes nothing."""
FOUND_NOTHING = (404, 409, 422)
PATIENCE = 3


@dataclass(frozen=True, slots=True)
class Probe:
    """One request that says whether the key may use a route. PUT goes as a form's field, since some web servers refuse the verb."""

    purpose: str
    path: str
    method: str = "GET"
    query: Mapping[str, Any] = field(default_factory=lambda: {"page": 1, "per_page": 10})
    form: Mapping[str, Any] = field(default_factory=dict)


_CAMPAIGN, _LIST = f"campaigns/{NOBODY}", f"lists/{NOBODY}/subscribers"
_STATUS = {"_method": "PUT", "details": {"status": "blacklisted"}}
ROUTES: Mapping[str, Probe] = {
    "delivery-servers": Probe("the same installation behind API and database", "delivery-servers"),
    "campaigns": Probe("campaigns that stand still", "campaigns"),
    "lists": Probe("people who must get no more mail", "lists"),
    "campaigns/delivery-logs/email-message-id": Probe(
        "suppression: whose mail it was", f"campaigns/delivery-logs/email-message-id/{NOBODY}", query={}
    ),
    "campaigns/CAMPAIGN": Probe("suppression: whose list it was", _CAMPAIGN, query={}),
    "lists/LIST/subscribers/search-by-email": Probe(
        "suppression: who it is", f"{_LIST}/search-by-email", query={"EMAIL": f"{NOBODY}@example.com"}
    ),
    "lists/subscribers/search-by-email-in-all-lists": Probe(
        "suppression: every list of a person", "lists/subscribers/search-by-email-in-all-lists",
        query={"EMAIL": f"{NOBODY}@example.com"},
    ),
    "lists/LIST/subscribers/SUBSCRIBER": Probe("suppression: reading back", f"{_LIST}/{NOBODY}", query={}),
    "PUT lists/LIST/subscribers/SUBSCRIBER": Probe(
        "suppression: the status itself", f"{_LIST}/{NOBODY}", "POST", {}, _STATUS
    ),
    "POST campaigns/CAMPAIGN/bounces": Probe(
        "suppression: hard bounces", f"{_CAMPAIGN}/bounces", "POST", {},
        {"message": "5.1.1", "bounce_type": "hard", "subscriber_uid": NOBODY},
    ),
    "POST campaigns/CAMPAIGN/track-unsubscribe": Probe(
        "suppression: complaints", f"{_CAMPAIGN}/track-unsubscribe/{NOBODY}", "POST", {}, {"reason": "none"}
    ),
}  # fmt: skip
"""Routes of the API that the engine uses, and the request that tries each."""


@dataclass(frozen=True, slots=True)
class RouteAnswer:
    """`allowed`: None where nothing is known (no answer); `key`: which of the connection's keys, from 1 on."""

    route: str
    allowed: bool | None
    told: str = ""
    key: int = 1


@dataclass(frozen=True, slots=True)
class Inspection:
    """`servers_failure`: why the delivery servers could not be read; then `servers` is empty and `not_writable` unknown. `unseen`: ids of
    customers with campaigns that no API key sees; None: not known."""

    instance: str
    catalogue: Catalogue
    servers: tuple[DeliveryServer, ...]
    servers_failure: str | None
    not_writable: tuple[str, ...]
    routes: tuple[RouteAnswer, ...]
    unseen: tuple[int, ...] | None = None

    @property
    def doubled(self) -> dict[str, tuple[int, ...]]:
        """By virtual MTA, the servers in service that name it, where there are several: no quota of them is raised."""
        named: dict[str, list[int]] = defaultdict(list)
        for server in self.servers:
            for vmta in {name.casefold() for name in server.vmtas or ()} if server.setting.runs else ():
                named[vmta].append(server.server_id)
        return {vmta: tuple(ids) for vmta, ids in sorted(named.items()) if len(ids) > 1}

    @property
    def fine(self) -> bool:
        """Can the engine raise quotas here, and does the key work?"""
        doubts = any(server.limits.doubt() for server in self.servers)
        return not (
            self.servers_failure
            or doubts
            or self.doubled
            or self.not_writable
            or self.catalogue.unread()
            or any(answer.allowed is not True for answer in self.routes)
        )


def find_catalogue(clients: Clients, instance: MailwizzInstance) -> Catalogue:
    """What the login of its connection sees. Raises EngineError where the database is away or refuses the login."""
    with clients.mailwizz_db(instance.db_connection) as database:
        return database.catalogue()


def inspect(clients: Clients, instance: MailwizzInstance) -> Inspection:
    """Raises EngineError where the database is away or refuses the login; what the API answers is part of the look."""
    failure: str | None = None
    owners: dict[int, str] | None = None
    servers: tuple[DeliveryServer, ...] = ()
    not_writable: tuple[str, ...] = ()
    with clients.mailwizz_db(instance.db_connection) as database:
        catalogue = database.catalogue()
        try:
            servers, not_writable = database.servers(), database.columns_not_writable()
        except EngineError as error:
            failure = str(error)
        with suppress(EngineError):
            owners = campaign_of_each_customer(database)
    routes, unseen = _asked(clients, instance, owners)
    return Inspection(instance.name, catalogue, servers, failure, not_writable, routes, unseen)


def _asked(
    clients: Clients, instance: MailwizzInstance, owners: Mapping[int, str] | None
) -> tuple[tuple[RouteAnswer, ...], tuple[int, ...] | None]:
    try:
        with clients.mailwizz_api(instance.api_connection) as api:
            tried = [
                replace(answer, key=key) for key, view in enumerate(api.views, 1) for answer in _tried(view)
            ]
            return tuple(tried), _unseen(api, owners)
    except EngineError as error:
        return tuple(RouteAnswer(route, None, str(error)) for route in ROUTES), None


def _unseen(api: MailwizzApi, owners: Mapping[int, str] | None) -> tuple[int, ...] | None:
    if owners is None:
        return None
    try:
        answers = {
            owner: api.answer("GET", f"campaigns/{uid}", expected=FOUND_NOTHING)
            for owner, uid in owners.items()
        }
    except EngineError:
        return None
    return tuple(sorted(owner for owner, answer in answers.items() if answer.code in FOUND_NOTHING))


def _tried(api: MailwizzApi) -> tuple[RouteAnswer, ...]:
    """An API that does not answer its first questions is not asked the others."""
    found: list[RouteAnswer] = []
    for route in ROUTES:
        away = len(found) >= PATIENCE and all(one.allowed is None for one in found)
        found.append(RouteAnswer(route, None, "not tried: no answer before") if away else _route(api, route))
    return tuple(found)


def _route(api: MailwizzApi, route: str) -> RouteAnswer:
    """MailWizz answers 400 to a key that it does not know and to one without this permission alike."""
    probe = ROUTES[route]
    expected = () if "page" in probe.query else FOUND_NOTHING
    try:
        answer = api.answer(probe.method, probe.path, probe.query, probe.form, expected)
    except AccessDenied as error:
        return RouteAnswer(route, False, error.observed)
    except EngineError as error:
        return RouteAnswer(route, None, error.observed)
    if not answer.body:
        return RouteAnswer(route, None, f"{answer.code} without MailWizz's JSON")
    return RouteAnswer(route, True)


def inspection_words(seen: Inspection) -> str:
    """For a terminal: a line a subject."""
    catalogue = seen.catalogue
    subjects: Sequence[tuple[str, Callable[[Inspection], str]]] = (
        ("login", lambda _: f"{catalogue.account}, database {catalogue.schema}, tables {catalogue.prefix}*"),
        ("delivery servers", _servers),
        ("virtual MTAs that several servers name", _doubled),
        ("columns of a server that are read", _columns),
        ("quotas of a server", _quotas),
        ("warm-up plans", _plans),
        ("use_for", lambda _: catalogue.use_for),
        ("not readable", _not_readable),
        ("not seen", lambda _: ", ".join(f"{catalogue.prefix}{name}" for name in catalogue.unseen()) or "none"),
        ("not writable", lambda s: "not known" if s.servers_failure else ", ".join(s.not_writable) or "none"),
        ("customers with campaigns that no API key sees", _unseen_words),
    )  # fmt: skip
    lines = [f"{seen.instance}: by its tables, MailWizz {guess_version(catalogue)}"]
    lines += [f"  {name}: {words(seen)}" for name, words in subjects]
    lines += [
        f"  API {_key(answer)}{answer.route} ({ROUTES[answer.route].purpose}): {_allowed(answer)}"
        for answer in seen.routes
    ]
    if catalogue.unread() or seen.not_writable:
        lines.append(f"Next: `email-engine mailwizz grants {seen.instance}` prints what to grant.")
    return "\n".join(lines)


def inspection_document(seen: Inspection) -> dict[str, Any]:
    """The same as JSON."""
    catalogue, guess = seen.catalogue, guess_version(seen.catalogue)
    return {
        "instance": seen.instance, "fine": seen.fine, "version": str(guess), "account": catalogue.account,
        "schema": catalogue.schema, "table_prefix": catalogue.prefix,
        "columns": {name: sorted(table.visible) for name, table in catalogue.tables.items() if table.visible},
        "unread": {name: list(columns) for name, columns in catalogue.unread().items()},
        "unseen_tables": list(catalogue.unseen()), "not_writable": list(seen.not_writable),
        "unknown_quotas": dict(catalogue.unknown_quotas), "use_for": catalogue.use_for,
        "plan_tables": list(catalogue.plan_tables), "servers": len(seen.servers), "servers_failure": seen.servers_failure,
        "doubled": {vmta: list(ids) for vmta, ids in seen.doubled.items()},
        "api": {
            f"{_key(answer)}{answer.route}": {"allowed": answer.allowed, "told": answer.told} for answer in seen.routes
        },
        "customers_unseen": None if seen.unseen is None else list(seen.unseen),
    }  # fmt: skip


def _key(answer: RouteAnswer) -> str:
    return f"key {answer.key}: " if answer.key > 1 else ""


def _unseen_words(seen: Inspection) -> str:
    if not seen.unseen:
        return "not known" if seen.unseen is None else "none"
    listed = ", ".join(map(str, seen.unseen))
    return f"{listed}; what is theirs is neither suppressed nor paused: add their keys to the field more_api_keys of the API's connection"


def _servers(seen: Inspection) -> str:
    if seen.servers_failure:
        return f"cannot be read: {seen.servers_failure}"
    states = Counter(server.setting.status for server in seen.servers)
    return ", ".join(
        [str(len(seen.servers)), *(f"{count} {state}" for state, count in sorted(states.items()))]
    )


def _doubled(seen: Inspection) -> str:
    if seen.servers_failure:
        return "not known"
    told = [f"{vmta} (servers {', '.join(map(str, ids))})" for vmta, ids in seen.doubled.items()]
    if not told:
        return "none"
    return f"{'; '.join(told)}; leave the header x-virtual-mta on one of them (Copy keeps it): until then their quotas are not raised"


def _columns(seen: Inspection) -> str:
    there = seen.catalogue.table(SERVER).visible
    return ", ".join(column for column in seen.catalogue.needed[SERVER] if column in there) or "none"


def _quotas(seen: Inspection) -> str:
    server = seen.catalogue.table(SERVER)
    known = sorted(
        c for c in server.visible if c.endswith("_quota") and c not in seen.catalogue.unknown_quotas
    )
    unknown = [
        f"{column} is not known to this release and not 0 on {count} servers"
        if count
        else f"{column} is not known to this release, and 0"
        for column, count in sorted(seen.catalogue.unknown_quotas.items())
    ]
    return "; ".join([", ".join(known) or "none", *unknown])


def _plans(seen: Inspection) -> str:
    if not seen.catalogue.plan_tables:
        return "no tables of theirs to be seen"
    listed = ", ".join(f"{seen.catalogue.prefix}{name}" for name in seen.catalogue.plan_tables)
    states = Counter(server.warmup for server in seen.servers)
    return f"{listed}; {states[Warmup.RUNNING]} servers under a plan, {states[Warmup.COMPLETE]} at its end"


def _not_readable(seen: Inspection) -> str:
    prefix = seen.catalogue.prefix
    unread = [f"{', '.join(columns)} of {prefix}{name}" for name, columns in seen.catalogue.unread().items()]
    return "; ".join(unread) or "none"


def _allowed(answer: RouteAnswer) -> str:
    word = {True: "allowed", False: "refused", None: "not known"}[answer.allowed]
    return f"{word}: {answer.told}" if answer.told else word
