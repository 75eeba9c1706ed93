"""Numbers of things in messages."""

import pytest

from email_engine.plural import amount


@pytest.mark.parametrize(
    ("number", "thing", "said"),
    [(0, "queue", "0 queues"), (1, "virtual MTA", "1 virtual MTA"), (2, "IP", "2 IPs")],
    ids=["none", "one", "two"],
)
def test_one_thing_is_no_plural(number: int, thing: str, said: str) -> None:
    assert amount(number, thing) == said
