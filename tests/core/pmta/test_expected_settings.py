"""What PowerMTA must show of a queue, read out of the text that was deployed."""

import pytest

from email_engine.pmta.config.expected_settings import queue_rate, read_macros
from email_engine.pmta.config.inventory import read_inventory
from email_engine.pmta.config.rates import per_second

TEXT = """
domain-macro big gmail.com,googlemail.com,gmail.rollup
<virtual-mta a-1>
  max-smtp-msg-rate 50/d
  <domain *>
    max-msg-rate 1000/h
  </domain>
  <domain $big>
    max-msg-rate 250/h
  </domain>
  <domain own.example>
    max-msg-rate 1/m
  </domain>
</virtual-mta>
<virtual-mta a-2>
  max-smtp-msg-rate 50/d
</virtual-mta>
"""


@pytest.mark.parametrize(
    ("vmta", "domain", "rate"),
    [
        ("a-1", "gmail.com", "250/h"),
        ("a-1", "own.example", "1/m"),
        ("a-1", "other.example", "1000/h"),
        ("a-2", "gmail.com", None),
    ],
    ids=["by its macro", "by its name", "by the star", "nothing said"],
)
def test_the_most_specific_block_counts(vmta: str, domain: str, rate: str | None) -> None:
    assert queue_rate(read_inventory(TEXT).vmtas[vmta], domain, read_macros(TEXT)) == rate


@pytest.mark.parametrize(
    ("one", "other"), [("250/h", "250/hr"), ("24/d", "1/h"), ("83/10m", "498/h"), ("86400/day", "1/s")]
)
def test_rates_of_other_spelling_are_the_same(one: str, other: str) -> None:
    assert per_second(one) == per_second(other) is not None


@pytest.mark.parametrize("text", ["", "0", "0/d", "5", "5/week", "unlimited", "5/0h", "-1/d"])
def test_what_is_no_rate_is_nothing(text: str) -> None:
    assert per_second(text) is None
