"""What a clear error is: it names the thing, what was seen and the next step, and nowhere along its chain a secret."""

import traceback
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from sqlalchemy import select

from email_engine.errors import EngineError
from email_engine.store import schema
from email_engine.store.engine import Store


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error, its causes and what they were raised in."""
    seen: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and one not in seen:
            seen.append(one)
            left += [one.__cause__, one.__context__]
    yield from seen


def failure(
    work: Callable[[], Any], secrets: Collection[str], log: str | Callable[[], str] = ""
) -> EngineError:
    """Runs `work`, which must fail, and gives the engine's error; AirflowFailException (no retry) carries it as its cause.

    `secrets` may stand nowhere: not in a message, an argument, a printed traceback or the log."""
    with pytest.raises((EngineError, AirflowFailException)) as caught:
        work()
    error = caught.value
    texts = ["".join(traceback.format_exception(error)), log if isinstance(log, str) else log()]
    for one in chain(error):
        texts += [str(one), repr(one), repr(one.args), repr(getattr(one, "__notes__", ""))]
    for secret in secrets:
        assert secret
        assert not [text for text in texts if secret in text], "a secret is told"
    if isinstance(error, AirflowFailException):
        assert isinstance(error.__cause__, EngineError)
        assert str(error) == str(error.__cause__)
        error = error.__cause__
    assert error.subject
    assert error.observed
    assert error.next_step
    assert "Next: " in str(error)
    return error


def everything(store: Store, *but: Any) -> dict[str, list[Any]]:
    """Every row of every table but those."""
    with store.session(tenant="*") as conn:
        return {
            name: list(conn.execute(select(table).order_by(*table.primary_key)))
            for name, table in schema.metadata.tables.items()
            if table not in but
        }
