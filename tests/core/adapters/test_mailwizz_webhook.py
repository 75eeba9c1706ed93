"""MailWizz's webhook for PowerMTA beside its API: where it is, and what its answers say."""

from types import SimpleNamespace
from typing import Any

import pytest
import requests

from email_engine.adapters.mailwizz_api import MailwizzApi, MailwizzEndpoint
from email_engine.errors import Unreachable

RECORD = {"type": "b", "header_Message-Id": "<a@x>"}


def called(monkeypatch: pytest.MonkeyPatch, base: str, answer: Any) -> tuple[Any, list[str]]:
    urls: list[str] = []

    def post(_: requests.Session, url: str, **words: Any) -> Any:
        urls.append(url)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(status_code=answer)

    monkeypatch.setattr(requests.Session, "post", post)
    with MailwizzApi(MailwizzEndpoint("mw", base, "key")) as api:
        return api.webhook([RECORD]), urls


@pytest.mark.parametrize(
    ("base", "site"),
    [
        ("https://mail.example.com/api", "https://mail.example.com"),
        ("https://mail.example.com/api/", "https://mail.example.com"),
        ("https://mail.example.com/api/index.php", "https://mail.example.com"),
        ("https://example.com/mail/api", "https://example.com/mail"),
        ("https://api.example.com/api", "https://api.example.com"),
    ],
)
def test_it_lies_beside_the_api(monkeypatch: pytest.MonkeyPatch, base: str, site: str) -> None:
    assert called(monkeypatch, base, 200) == (True, [f"{site}/index.php/dswh/pmta"])


@pytest.mark.parametrize("code", [301, 403, 404, 405])
def test_an_installation_without_one_says_so(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    assert called(monkeypatch, "https://mail.example.com/api", code)[0] is False


@pytest.mark.parametrize("answer", [500, 503, requests.ConnectionError("no"), requests.Timeout("late")])
def test_no_answer_and_a_crash_are_told_apart_from_that(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    with pytest.raises(Unreachable, match="dswh/pmta"):
        called(monkeypatch, "https://mail.example.com/api", answer)
