"""Rates as posteriors, against scipy's own Beta distribution."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from email_engine.reputation.posterior import posterior


def test_nothing_seen_is_a_quarter_of_the_limit_and_wide() -> None:
    rate = posterior([(0, 0)], limit=0.05, pooling=2)
    assert rate.mean == pytest.approx(0.0125)
    assert (rate.low, rate.high) == pytest.approx(beta.interval(0.95, 0.5, 39.5))


def test_its_own_mail_outweighs_its_neighbours() -> None:
    alone = posterior([(0, 0), (0, 0), (1, 50)], 0.05, 2)
    among = posterior([(500, 5000), (500, 5000), (1, 50)], 0.05, 2)
    many = posterior([(500, 5000), (500, 5000), (100, 5000)], 0.05, 2)
    assert alone.mean < among.mean < 0.1
    assert many.mean == pytest.approx(0.02, abs=0.002)
    assert (many.bad, many.messages) == (100, 5000)


def test_the_nearer_level_counts_more() -> None:
    stream_bad = posterior([(0, 10_000), (1000, 10_000), (0, 0)], 0.05, 2)
    domain_bad = posterior([(1000, 10_000), (0, 10_000), (0, 0)], 0.05, 2)
    assert stream_bad.mean > 0.09
    assert domain_bad.mean < 0.002


def test_without_a_level_there_is_no_rate() -> None:
    with pytest.raises(ValueError, match="at least one level"):
        posterior([], 0.05, 2)


levels = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 5000)), min_size=1, max_size=3)


@given(levels, st.sampled_from([0.001, 0.05, 0.1]))
@settings(max_examples=200, deadline=None)
def test_the_rate_lies_in_its_interval(some: list[tuple[int, int]], limit: float) -> None:
    rate = posterior([(min(bad, messages), messages) for bad, messages in some], limit, 2)
    assert 0 <= rate.low <= rate.high <= 1
    assert rate.low - 1e-9 <= rate.mean <= 1
