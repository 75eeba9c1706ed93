"""One MailWizz installation by the API keys of several customers: MailWizz shows each of them nothing but what is its own.

Each campaign and each list is asked for with the key that sees it, which is looked for once. What no key sees is answered as MailWizz
answers the first of them: 404."""

import re
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from email_engine.adapters.mailwizz_api import Answer, ApiServer, MailwizzApi, MailwizzEndpoint

_OWNED = re.compile(r"(campaigns|lists)/(?!delivery-logs|email-message-id|subscribers)([^/?]+)")
"""Paths below something that belongs to one customer."""
EVERYWHERE = "lists/subscribers/search-by-email-in-all-lists"
ABSENT = 404


class MailwizzCustomers(MailwizzApi):
    """As `MailwizzApi`, of which it holds one a key in `views`; the first endpoint's name is how errors call the whole.

    A key that MailWizz refuses ends every call that would need it: what its customer owns must not look like nobody's."""

    def __init__(self, endpoints: Sequence[MailwizzEndpoint]) -> None:
        super().__init__(endpoints[0])
        self._views = tuple(MailwizzApi(endpoint) for endpoint in endpoints)
        self._owners: dict[tuple[str, ...], MailwizzApi] = {}

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
        for view in self._views if method == "GET" else ():
            answer = view.answer(method, path, query, expected={*expected, ABSENT})
            if answer.code != ABSENT:
                if owned:
                    self._owners[owned.groups()] = view
                return answer
        return self._views[0].answer(method, path, query, form, expected)

    def _view_of(self, owned: tuple[str, ...]) -> MailwizzApi:
        if owned not in self._owners:
            self.answer("GET", "/".join(owned), expected=(ABSENT,))
        return self._owners.get(owned, self._views[0])

    def _everywhere(self, query: Mapping[str, Any] | None) -> Answer:
        """The lists of one customer are not those of another: their records stand beside each other."""
        answers = [view.answer("GET", EVERYWHERE, query, expected=(ABSENT,)) for view in self._views]
        found = [answer for answer in answers if answer.code != ABSENT]
        if not found:
            return answers[0]
        records = [row for answer in found for row in (answer.body.get("data") or {}).get("records") or ()]
        return Answer(
            found[0].code, {**found[0].body, "data": {"count": str(len(records)), "records": records}}
        )
