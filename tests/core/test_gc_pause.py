"""The pause of the collector: on again afterwards, whatever happened, and nobody else's frozen objects thawed."""

import gc

import pytest

from email_engine import gc_pause
from email_engine.gc_pause import gc_paused


def test_it_is_on_again_also_after_an_error() -> None:
    seen = []

    @gc_paused()
    def fails() -> None:
        seen.append(gc.isenabled())
        raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert (seen, gc.isenabled()) == ([False], True)


def test_who_had_switched_it_off_finds_it_so() -> None:
    gc.disable()
    try:
        with gc_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize(("made", "asked"), [(10, 0), (gc_pause.MANY + 10_000, 1)])
def test_few_objects_are_not_worth_a_look_at_all_that_is_frozen(
    monkeypatch: pytest.MonkeyPatch, made: int, asked: int
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(gc_pause.gc, "get_freeze_count", lambda: looks.append(1) or 1)  # type: ignore[func-returns-value]
    kept = []
    with gc_paused():
        kept += [[number] for number in range(made)]
    assert len(looks) == asked
