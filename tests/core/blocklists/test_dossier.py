"""The dossier of a listing: complete, short, and nothing of it becomes markup."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from email_engine.blocklists.dossier import SHOWN, Dossier, PastListing, render_dossier
from email_engine.blocklists.likely_causes import ProviderTraffic, likely_causes

CLEAN = (ProviderTraffic("gmail", delivered=10_000, bounced=20),)
DOSSIER = Dossier(
    address="198.51.100.1", hostname="mail1.example", domain="news1.example", tenant="aurora", stream="newsletter",
    pool="aurora-newsletter", state="quarantine", quarantine_until=datetime(2026, 11, 27, 8, tzinfo=UTC), list_name="zen",
    title="Spamhaus ZEN", zone="zen.example", codes=("127.0.0.3",), sublists=("CSS",), reason="see the record",
    opened_at=datetime(2026, 11, 20, 8, tzinfo=UTC), page="https://check.example/a_b", rules="Self-service after the fix.",
    first_day=date(2026, 11, 7), last_day=date(2026, 11, 20), traffic=CLEAN, campaigns=(("spring sale", 12),),
    replies=(("550 blocked", 9),), history=(PastListing("bl", date(2026, 1, 2), date(2026, 1, 4), "old list"),),
    neighbours=("198.51.100.2",), neighbours_in_all=9, waiting="Waiting in its queues: 3 messages.",
)  # fmt: skip


@pytest.mark.parametrize(
    "part",
    [
        "since 2026-11-20 08:00 UTC", "now in quarantine until 2026-11-27 at least", "CSS (127.0.0.3): see the record",
        "gmail: 10,000 delivered, 20 bounced", "spring sale: 12", "550 blocked: 9", "bl from 2026-01-02 to 2026-01-04: old list",
        "1 of 9 more IPs of ours around it are listed**: 198.51.100.2", "Waiting in its queues: 3 messages.",
        "https://check.example/a_b", "Self-service after the fix.", "The engine submits nothing",
    ],
)  # fmt: skip
def test_it_shows_what_one_needs_to_find_the_cause_and_to_ask(part: str) -> None:
    assert part in render_dossier(DOSSIER)


def test_what_strangers_wrote_stays_text() -> None:
    hostile = "**[click](http://evil.example)** <script> `x` | # \n- [ ] item"
    page = render_dossier(
        replace(DOSSIER, reason=hostile, campaigns=((hostile, 1),), replies=((hostile, 1),), history=())
    )
    assert "[click](" not in page
    assert "<script>" not in page
    assert "\n- [ ] item" not in page


def test_it_is_short_whatever_happened() -> None:
    many = tuple((f"campaign {n}", n) for n in range(500))
    page = render_dossier(replace(DOSSIER, campaigns=many, reason="x" * 50_000))
    assert f"and {500 - SHOWN} more" in page
    assert len(page) < 5_000


def test_it_is_kept_as_plain_json_with_its_likely_causes() -> None:
    kept = json.loads(json.dumps(DOSSIER.as_json()))
    assert kept["opened_at"] == "2026-11-20T08:00:00+00:00"
    assert kept["traffic"][0]["provider"] == "gmail"
    assert kept["causes"]


def traffic(**counts: int) -> tuple[ProviderTraffic, ...]:
    return (ProviderTraffic("gmail", **{"delivered": 10_000, "bounced": 20} | counts),)


@pytest.mark.parametrize(
    ("sublists", "sent", "around", "said"),
    [
        ((), CLEAN, 0, "think of spam traps"),
        ((), (), 0, "it sent nothing lately"),
        ((), traffic(complained=30), 0, "30 complaints about 10,000"),
        ((), traffic(complained=3), 0, "think of spam traps"),
        ((), traffic(bounced=900, unknown_users=800), 0, "800 of 10,900 messages went to nobody"),
        ((), traffic(bounced=400, content_refusals=300), 0, "refused for their content"),
        (("XBL",), CLEAN, 0, "compromised"),
        (("unheard of",), CLEAN, 2, "2 more of the same /24"),
    ],
    ids=[
        "clean",
        "silent",
        "complaints",
        "few complaints",
        "dead addresses",
        "content",
        "a bot",
        "the range",
    ],
)
def test_likely_causes_follow_the_evidence(
    sublists: tuple[str, ...], sent: tuple[ProviderTraffic, ...], around: int, said: str
) -> None:
    assert said in likely_causes(sublists, sent, around)[0]
