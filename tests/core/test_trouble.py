"""Which one thing is wrong: two parts of a system that fail apart are two causes."""

import pytest

from email_engine.adapters.mailwizz_api import MailwizzApi, MailwizzEndpoint
from email_engine.errors import AccessDenied, EngineError, HostKeyChanged, InputError, Refused, Unreachable
from email_engine.pipelines.trouble import cause_and_title

WORDS = ("observed", "allowed", "next")


def test_mailwizzs_api_is_not_its_database() -> None:
    """An answering database ended, every two minutes, the incident of a wrong API key."""
    with (
        MailwizzApi(MailwizzEndpoint("mailwizz_api_mw-1", "http://127.0.0.1:1/api", "k" * 40)) as api,
        pytest.raises(Unreachable) as caught,
    ):
        api.call("POST", "x")
    of_api = cause_and_title(caught.value, "MailWizz", "mw-1")
    of_database = cause_and_title(Unreachable("MailWizz database x", *WORDS), "MailWizz", "mw-1")
    assert of_api == ("MailWizz API mailwizz_api_mw-1", "MailWizz API mailwizz_api_mw-1 cannot be reached")
    assert of_database == ("MailWizz mw-1", "MailWizz mw-1 cannot be reached")


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (AccessDenied, "Connection x refuses the engine's login"),
        (Unreachable, "Connection x cannot be reached"),
        (HostKeyChanged, "Connection x shows another host key than the pinned one"),
        (InputError, "Connection x does not work"),
        (Refused, "Connection x does not work"),
    ],
)
def test_a_cause_that_the_error_knows_is_told_by_what_happened(error: type[EngineError], title: str) -> None:
    assert cause_and_title(error("s", *WORDS).because_of("connection x"), "host", "mta-1") == (
        "connection x",
        title,
    )


def test_what_is_the_tasks_own_has_no_cause() -> None:
    assert cause_and_title(Refused("s", *WORDS), "host", "mta-1") is None
    assert cause_and_title(Unreachable("s", *WORDS), "tenant", "aurora") is None
