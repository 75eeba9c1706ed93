"""Campaigns of one customer, paused and let go on by MailWizz's API. The call is a toggle: it is asked for once, after the status was read,
and believed only when it is read back."""

from email_engine.adapters.mailwizz_api import MailwizzApi
from email_engine.adapters.mailwizz_traffic import UNDER_WAY
from email_engine.errors import NotVerified, Refused

PAUSED = "paused"
ABSENT = 404


def status_of(api: MailwizzApi, campaign: str) -> str:
    """Its status by its uid. Raises Refused where no key of the connection sees such a campaign."""
    answer = api.answer("GET", f"campaigns/{campaign}", expected=(ABSENT,))
    if answer.code == ABSENT:
        raise Refused(
            f"campaign {campaign} of MailWizz {api.endpoint.name}", "no API key of the connection sees it",
            "a key of the customer that owns it", "add that customer's key to the connection's field more_api_keys",
        )  # fmt: skip
    found = answer.body.get("data") or {}
    return str((found.get("record") or {}).get("status") or "")


def pause(api: MailwizzApi, campaign: str) -> bool:
    """True: it was under way and is paused now; False: it was not under way. NotVerified where it went on."""
    return _toggle(api, campaign, UNDER_WAY, PAUSED)


def resume(api: MailwizzApi, campaign: str) -> bool:
    """True: it was paused and goes on now; False: it is not paused any more, whoever did that. NotVerified where it stands still."""
    return _toggle(api, campaign, (PAUSED,), "sending")


def _toggle(api: MailwizzApi, campaign: str, begins: tuple[str, ...], ends: str) -> bool:
    before = status_of(api, campaign)
    if before not in begins:
        return False
    api.call("PUT", f"campaigns/{campaign}/pause-unpause")
    after = status_of(api, campaign)
    if (after in UNDER_WAY) is not (ends in UNDER_WAY):
        raise NotVerified(
            f"campaign {campaign} of MailWizz {api.endpoint.name}", f"it is {after or 'without a status'}", ends,
            "see in MailWizz who changes it; pause it there by hand where it must stand still",
        )  # fmt: skip
    return True
