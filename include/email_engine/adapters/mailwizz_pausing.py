"""Campaigns of one customer, paused and let go on by MailWizz's API. The call is a toggle: it is asked for once, after the status was read,
and believed only when it is read back."""

from collections.abc import Callable

from email_engine.adapters.mailwizz_api import MailwizzApi
from email_engine.adapters.mailwizz_traffic import UNDER_WAY
from email_engine.errors import EngineError, NotVerified, Refused, Unreachable

PAUSED = "paused"
ABSENT = 404


class OutcomeUnknown(NotVerified):
    """The toggle was sent, and whether it took effect is not known. After any other error it is known not to have."""


def status_of(api: MailwizzApi, campaign: str) -> str:
    """Its status by its uid. Raises Refused where no key of the connection sees such a campaign."""
    answer = api.answer("GET", f"campaigns/{campaign}", expected=(ABSENT,))
    if answer.code == ABSENT:
        raise Refused(
            _subject(api, campaign), "no API key of the connection sees it",
            "a key of the customer that owns it", "add that customer's key to the connection's field more_api_keys",
        )  # fmt: skip
    found = answer.body.get("data") or {}
    return str((found.get("record") or {}).get("status") or "")


def pause(api: MailwizzApi, campaign: str, before: Callable[[], object] = lambda: None) -> bool:
    """True: it was under way and is paused now; False: it was not under way. `before` is called when the toggle is about to be sent, and
    only then. NotVerified where it went on, OutcomeUnknown where nobody knows."""
    return _toggle(api, campaign, UNDER_WAY, PAUSED, before)


def resume(api: MailwizzApi, campaign: str) -> bool:
    """True: it was paused and goes on now; False: it is not paused any more, whoever did that. NotVerified where it stands still,
    OutcomeUnknown where nobody knows."""
    return _toggle(api, campaign, (PAUSED,), "sending", lambda: None)


def _toggle(
    api: MailwizzApi, campaign: str, begins: tuple[str, ...], ends: str, before: Callable[[], object]
) -> bool:
    if status_of(api, campaign) not in begins:
        return False
    before()
    try:
        api.call("PUT", f"campaigns/{campaign}/pause-unpause")
    except Unreachable as error:
        raise _unknown(api, campaign, ends, error) from None
    try:
        after = status_of(api, campaign)
    except EngineError as error:
        raise _unknown(api, campaign, ends, error) from None
    if (after in UNDER_WAY) is not (ends in UNDER_WAY):
        raise NotVerified(
            _subject(api, campaign), f"it is {after or 'without a status'}", ends,
            "see in MailWizz who changes it; pause it there by hand where it must stand still",
        )  # fmt: skip
    return True


def _unknown(api: MailwizzApi, campaign: str, ends: str, error: EngineError) -> OutcomeUnknown:
    seen = f"it was asked for, and what became of it is not known: {error.observed}"
    return OutcomeUnknown(_subject(api, campaign), seen, ends, error.next_step)


def _subject(api: MailwizzApi, campaign: str) -> str:
    return f"campaign {campaign} of MailWizz {api.endpoint.name}"
