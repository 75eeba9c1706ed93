"""Allowances at single mailbox providers: the blocks of a virtual MTA, and what of them goes down at once."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from email_engine.fleet.model import Mode, MtaHost
from email_engine.fleet.providers import shipped_providers
from email_engine.pmta.config.deploy_policy import deploy_policy
from email_engine.pmta.config.expected_settings import bounded_queue, queue_rate, read_macros
from email_engine.pmta.config.inventory import read_inventory
from email_engine.pmta.config.layout import compose
from email_engine.pmta.config.rates import per_second
from email_engine.pmta.config.reduce import lowered, only_lowers, only_reductions
from email_engine.pmta.config.render import render_host
from tests.core.pmta.records import record
from tests.work import calls

HOST = MtaHost("mta-1", "powermta_mta-1")
POLICY = deploy_policy()
PROVIDERS = shipped_providers()
NAMES = [rates.name for rates in POLICY.providers]
FREE = "example.org"


def text(*bounds: dict[str, int], policy=POLICY) -> str:
    records = tuple(record(n, bounds=one) for n, one in enumerate(bounds, 1))
    return compose(render_host(HOST, records, PROVIDERS, policy), None, {"aurora": Mode.ACT})


def rate(of: str, domain: str, vmta: str = "aurora-1") -> str | None:
    return queue_rate(read_inventory(of).vmtas[vmta], domain, read_macros(of))


def rates_of(of: str) -> Callable[[str], float]:
    """Messages a second of the first virtual MTA to a domain; the text is read once."""
    block, macros = read_inventory(of).vmtas["aurora-1"], read_macros(of)
    return lambda domain: per_second(queue_rate(block, domain, macros) or "")


@pytest.mark.parametrize(
    ("bounds", "domain", "expected"),
    [
        ({"microsoft": 50}, "microsoft.rollup", "60/d"),
        ({"microsoft": 50}, "hotmail.fr", "60/d"),
        ({"microsoft": 50}, "gmail.com", "250/h"),
        ({"microsoft": 1}, "microsoft.rollup", "2/d"),
        ({"microsoft": 4_999}, "microsoft.rollup", "5999/d"),
        ({"microsoft": 5_000}, "microsoft.rollup", "250/h"),
        ({"gmx": 50}, "gmx.rollup", "60/d"),
        ({"gmx": 50}, "icloud.com", "250/h"),
        ({"orange": 50}, "wanadoo.fr", "60/d"),
        ({"orange": 50}, "free.fr", "250/h"),
        ({"orange": 50}, FREE, "1000/h"),
        ({"other": 50}, FREE, "1000/h"),
    ],
)  # fmt: skip
def test_a_bound_holds_for_its_provider_alone(bounds: dict[str, int], domain: str, expected: str) -> None:
    assert rate(text(bounds, {}), domain) == expected
    assert rate(text(bounds, {}), domain, "aurora-2") == rate(text({}), domain)


def test_backoff_is_never_faster_than_the_bound() -> None:
    block = "<domain $engine_microsoft>\n    max-msg-rate 60/d\n    backoff-max-msg-rate 60/d\n"
    assert block in text({"microsoft": 50})
    assert "backoff-max-msg-rate 1200/d" not in text({"microsoft": 1_000})


def test_other_virtual_mtas_stay_as_they_are() -> None:
    bare, bound = (read_inventory(text(one, {})).vmtas["aurora-2"] for one in ({}, {"gmx": 5, "sfr": 5}))
    assert bare == bound


def test_a_provider_without_limits_of_its_own_gets_the_general_ones() -> None:
    policy = without("laposte")
    found = text({"laposte": 50}, {}, policy=policy)
    assert rate(found, "laposte.net") == "60/d"
    assert rate(found, "laposte.net", "aurora-2") == "1000/h"
    assert "engine_laposte " not in text({}, policy=policy)


def without(name: str):
    return replace(POLICY, providers=tuple(one for one in POLICY.providers if one.name != name))


def test_the_queue_to_look_at_is_the_one_that_counts() -> None:
    found = text({"microsoft": 50}, {}, {"orange": 10})
    blocks, macros = read_inventory(found).vmtas, read_macros(found)
    assert [bounded_queue(block, macros) for block in blocks.values()] == [
        ("microsoft.rollup", "60/d"), None, ("orange.fr", "12/d"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "lowers"),
    [
        ({}, {"microsoft": 50}, True),
        ({"microsoft": 50}, {"microsoft": 25}, True),
        ({"microsoft": 25}, {"microsoft": 50}, False),
        ({"microsoft": 50}, {}, False),
        ({}, {"gmx": 50}, True),
        ({"gmx": 50}, {"gmx": 5, "icloud": 7}, True),
        ({"gmx": 50}, {}, False),
        ({"microsoft": 50}, {"gmx": 50}, False),
    ],
)
def test_a_lower_bound_needs_nobody(before: dict[str, int], after: dict[str, int], lowers: bool) -> None:
    running, wanted = text(before, {}), text(after, {})
    assert only_lowers(running, wanted) is lowers
    if lowers:
        assert only_reductions(running, wanted) == wanted
        assert lowered(running, wanted) == {"aurora-1"}


def test_what_goes_down_does_not_wait_for_what_goes_up() -> None:
    running, wanted = text({"microsoft": 50}, {}), text({"gmx": 50}, {})
    reduced = only_reductions(running, wanted)
    assert (rate(reduced, "gmx.rollup"), rate(reduced, "microsoft.rollup")) == ("60/d", "60/d")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max-smtp-out 10", "max-smtp-out 1"),
        ("<domain $engine_microsoft>", "<domain $engine_microsoft>\n    <domain x>"),
        ("</virtual-mta>\n", "</virtual-mta>\n<virtual-mta aurora-1>\n</virtual-mta>\n"),
        ("max-msg-rate 250/h", "max-msg-rate 0"),
        ("max-msg-rate 250/h", "max-msg-rate 10/fortnight"),
        ("domain-macro engine_microsoft ", "domain-macro engine_microsoft yahoo.com,"),
    ],
    ids=["another setting", "not understood", "stands twice", "zero", "unknown unit", "another macro"],
)
def test_what_is_not_the_engines_own_is_left_alone(old: str, new: str) -> None:
    running = text({}).replace(old, new)
    assert running != text({})
    assert only_reductions(running, text({"microsoft": 50})) == running


def many(count: int, bounds: dict[str, int]) -> str:
    records = tuple(record(n, address=ip_address("10.0.0.0") + n, bounds=bounds) for n in range(count))
    return compose(render_host(HOST, records, PROVIDERS, POLICY), None, {"aurora": Mode.ACT})


def test_ten_thousand_are_reduced_the_same() -> None:
    running, wanted = many(10_000, {}), many(10_000, {"microsoft": 50})
    assert only_reductions(running, wanted) == wanted


def test_a_reduction_is_as_much_work_for_each_however_many_there_are() -> None:
    def work(count: int) -> int:
        running, wanted = many(count, {}), many(count, {"microsoft": 50})
        return calls(lambda: only_reductions(running, wanted))

    assert work(2_000) < 4.4 * work(500)


amounts = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 9_000), max_size=4)


@settings(max_examples=150, deadline=None)
@given(amounts, amounts)
def test_a_reduction_raises_no_queue_of_anybody(before: dict[str, int], after: dict[str, int]) -> None:
    running, wanted = text(before), text(after)
    reduced = only_reductions(running, wanted)
    was, becomes = rates_of(running), rates_of(reduced)
    for provider in PROVIDERS.all:
        for domain in (*provider.domains[:3], f"{provider.name}.rollup"):
            assert becomes(domain) <= was(domain)
    assert only_reductions(reduced, wanted) == reduced
    assert rate(reduced, FREE) == rate(running, FREE)


@settings(max_examples=60, deadline=None)
@given(amounts)
def test_no_queue_may_have_more_than_policy_or_allowance(bounds: dict[str, int]) -> None:
    of_bare, of_bound = rates_of(text({})), rates_of(text(bounds))
    for provider in PROVIDERS.all:
        general, found = of_bare(provider.domains[0]), of_bound(provider.domains[0])
        assert found <= general
        if provider.name in bounds:
            most = -(-bounds[provider.name] * POLICY.head_room_percent // 100)
            assert found == min(general, per_second(f"{most}/d"))
