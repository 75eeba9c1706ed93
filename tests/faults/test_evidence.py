"""The search for secrets finds them wherever an error may carry one."""

from collections.abc import Callable

import pytest

from email_engine.errors import EngineError, Unreachable
from tests.faults.evidence import failure

SECRET = "top-secret"


def error(observed: str = "no answer") -> EngineError:
    return Unreachable("mta-1", observed, "an answer", "look at it")


def in_the_message() -> None:
    raise error(f"the key {SECRET} was refused")


def in_the_cause() -> None:
    raise error() from ValueError(SECRET)


def in_what_it_was_raised_in() -> None:
    try:
        raise ValueError(SECRET)
    except ValueError:
        raise error() from None


def in_an_argument() -> None:
    raise error() from OSError(1, "refused", SECRET)


@pytest.mark.parametrize("work", [in_the_message, in_the_cause, in_what_it_was_raised_in, in_an_argument])
def test_a_secret_is_found_in_the_chain(work: Callable[[], None]) -> None:
    with pytest.raises(AssertionError, match="a secret is told"):
        failure(work, [SECRET])


def test_a_secret_is_found_in_the_log() -> None:
    def work() -> None:
        raise error()

    with pytest.raises(AssertionError, match="a secret is told"):
        failure(work, [SECRET], f"GET /bot{SECRET}/sendMessage")
    assert failure(work, [SECRET]).subject == "mta-1"
