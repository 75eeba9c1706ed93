"""One MailWizz installation by the API keys of several customers: MailWizz shows each of them nothing but what is its own.

Each campaign and each list is asked for with the key that sees it, which is looked for once. What no key sees is answered as MailWizz
answers the first of them: 404."""

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from email_engine.adapters.mailwizz_api import Answer, ApiServer, MailwizzApi, MailwizzEndpoint
from email_engine.errors import AccessDenied

log = logging.getLogger(__name__)
_OWNED = re.compile(r"(campaigns|lists)/(?!delivery-logs|email-message-id|subscribers)([^/?]+)")
"""Paths below something that belongs to one customer."""
EVERYWHERE = "lists/subscribers/search-by-email-in-all-lists"
ABSENT = 404


class MailwizzCustomers(MailwizzApi):
    """As `MailwizzApi`, of which it holds one a key in `views`; the first endpoint's name is how errors call the whole.

    A key that MailWizz refuses ends no call that another key answers; what none of the others finds may be its customer's, and must not
    look like nobody's: that call raises what the key met (AccessDenied, which names the key)."""

    def __init__(self, endpoints: Sequence[MailwizzEndpoint]) -> None:
        super().__init__(endpoints[0])
        self._views = tuple(MailwizzApi(endpoint) for endpoint in endpoints)
        self._owners: dict[tuple[str, ...], MailwizzApi] = {}
        self._told: set[str] = set()

    @property
    def views(self) -> tuple[MailwizzApi, ...]:
        return self._views

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for view in self._views:
            view.__exit__(kind, error, trace)
        super().__exit__(kind, error, trace)

    def delivery_servers(self) -> tuple[ApiServer, ...]:
        found = {server.server_id: server for view in self._views for server in view.delivery_servers()}
        return tuple(found[number] for number in sorted(found))

    def listing(self, path: str, key: str, **query: Any) -> tuple[dict[str, Any], ...]:
        owned = _OWNED.match(path)
        if owned:
            return self._view_of(owned.groups()).listing(path, key, **query)
        return tuple(row for view in self._views for row in view.listing(path, key, **query))

    def answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
        expected: Collection[int] = (),
    ) -> Answer:
        if path == EVERYWHERE:
            return self._everywhere(query)
        owned = _OWNED.match(path)
        if owned and (owned.groups() in self._owners or method != "GET"):
            return self._view_of(owned.groups()).answer(method, path, query, form, expected)
        if method != "GET":
            return self._views[0].answer(method, path, query, form, expected)
        found = self._first(path, query, {*expected, ABSENT})
        if isinstance(found, Answer):
            return found if ABSENT in expected else self._views[0].answer(method, path, query, form, expected)
        view, answer = found
        if owned:
            self._owners[owned.groups()] = view
        return answer

    def _first(
        self, path: str, query: Mapping[str, Any] | None, expected: Collection[int]
    ) -> tuple[MailwizzApi, Answer] | Answer:
        """The first key that knows of it, and what MailWizz says to that; else MailWizz's 404."""
        absent: list[Answer] = []
        refused: list[AccessDenied] = []
        for view in self._views:
            answer = self._ask(view, path, query, expected)
            if isinstance(answer, AccessDenied):
                refused.append(answer)
            elif answer.code == ABSENT:
                absent.append(answer)
            else:
                return view, answer
        if refused:
            raise refused[0]
        return absent[0]

    def _ask(
        self, view: MailwizzApi, path: str, query: Mapping[str, Any] | None, expected: Collection[int]
    ) -> Answer | AccessDenied:
        """A refusal is told once for each key."""
        try:
            return view.answer("GET", path, query, expected=expected)
        except AccessDenied as error:
            if view.endpoint.name not in self._told:
                log.warning("%s; the other keys of the connection are asked", error)
                self._told.add(view.endpoint.name)
            return error

    def _view_of(self, owned: tuple[str, ...]) -> MailwizzApi:
        if owned not in self._owners:
            self.answer("GET", "/".join(owned), expected=(ABSENT,))
        return self._owners.get(owned, self._views[0])

    def _everywhere(self, query: Mapping[str, Any] | None) -> Answer:
        """The lists of one customer are not those of another: their records stand beside each other."""
        answers = [self._ask(view, EVERYWHERE, query, (ABSENT,)) for view in self._views]
        answered = [answer for answer in answers if isinstance(answer, Answer)]
        found = [answer for answer in answered if answer.code != ABSENT]
        if not found:
            for answer in answers:
                if isinstance(answer, AccessDenied):
                    raise answer
            return answered[0]
        records = [row for answer in found for row in (answer.body.get("data") or {}).get("records") or ()]
        return Answer(
            found[0].code, {**found[0].body, "data": {"count": str(len(records)), "records": records}}
        )
