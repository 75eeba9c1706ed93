"""Sealed addresses: opened with the same key only, and never twice alike."""

from pathlib import Path

import pytest

from email_engine.accounting.sealing import NONCE, Sealer, sealer_from_environment

KEY = b"sixteen bytes at least"


def test_an_address_comes_back_clean() -> None:
    sealer = Sealer(KEY)
    assert sealer.opened(sealer.seal(" <U.Who@Gmail.COM> ")) == "u.who@gmail.com"


def test_the_same_address_is_sealed_differently_each_time() -> None:
    sealer = Sealer(KEY)
    sealed = {sealer.seal("u@gmail.com") for _ in range(20)}
    assert len(sealed) == 20
    assert not any(one is None or b"gmail" in one for one in sealed)


@pytest.mark.parametrize(
    "address", ["", "postmaster", "<>", "\0"], ids=["empty", "no at", "null sender", "zero"]
)
def test_what_is_no_address_is_not_sealed(address: str) -> None:
    assert Sealer(KEY).seal(address) is None


def test_another_key_a_cut_or_changed_text_opens_nothing() -> None:
    sealed = Sealer(KEY).seal("u@gmail.com")
    assert sealed
    assert Sealer(b"another key of 16 bytes").opened(sealed) is None
    assert Sealer(KEY).opened(sealed[:-1]) is None
    assert Sealer(KEY).opened(sealed[:NONCE] + b"x" + sealed[NONCE + 1 :]) is None
    assert Sealer(KEY).opened(b"short") is None
    assert Sealer(KEY).opened(None) is None


def test_the_key_is_that_of_the_keyed_hash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EMAIL_ENGINE_RECIPIENT_KEY_FILE", raising=False)
    monkeypatch.setenv("EMAIL_ENGINE_RECIPIENT_KEY", "too short")
    assert sealer_from_environment() is None
    file = tmp_path / "key"
    file.write_text("a key of sixteen bytes\n")
    monkeypatch.setenv("EMAIL_ENGINE_RECIPIENT_KEY_FILE", str(file))
    assert sealer_from_environment() == Sealer(b"a key of sixteen bytes")
    assert "sixteen" not in repr(sealer_from_environment())
