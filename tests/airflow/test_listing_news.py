"""A listing says where a person asks."""

import pytest

from email_engine.pipelines.rbl_sweep.listing_news import where_to_ask


def test_each_list_is_named_once_with_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMAIL_ENGINE_BLOCKLISTS", raising=False)
    (line,) = where_to_ask([["spamhaus-zen"], ["spamhaus-zen", "no-such-list"]])
    assert line.startswith("Spamhaus ZEN")
    assert "https://check.spamhaus.org" in line
