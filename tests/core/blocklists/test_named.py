"""Which watched list a receiver means."""

import pytest

from email_engine.blocklists.config import load_blocklists
from email_engine.blocklists.named import watched


@pytest.mark.parametrize(
    ("named", "entry"),
    [
        ("zen.spamhaus.org", "spamhaus-zen"),
        ("ZEN.Spamhaus.org.", "spamhaus-zen"),
        ("sbl.spamhaus.org", "spamhaus-zen"),
        ("bl.spamcop.net", "spamcop"),
        ("spamcop", "spamcop"),
        ("dnsbl-1.uceprotect.net", "uceprotect-1"),
        ("dnsbl-3.uceprotect.net", "uceprotect-3"),
        ("uceprotect.net", None),
        ("dnsbl.sorbs.net", None),
        ("nobody.example", None),
    ],
)
def test_a_name_in_a_reply_is_one_watched_list_or_none(named: str, entry: str | None) -> None:
    found = watched(named, load_blocklists()[0])
    assert (found.name if found else None) == entry
