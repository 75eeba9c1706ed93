"""What only slows down: never a raise, never a virtual MTA more or less, whatever the two texts are."""

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from email_engine.pmta.config.inventory import read_inventory
from email_engine.pmta.config.reduce import lowered, only_lowers, only_reductions

NAMES = ("a-1", "a-2", "a-3", "b-1")
UNITS = {"d": 86_400, "day": 86_400, "h": 3_600, "m": 60, "s": 1}


def vmta(name: str, cap: str | None, comment: str = "") -> str:
    line = f"  max-smtp-msg-rate {cap}{comment}\n" if cap else ""
    return f"<virtual-mta {name}>\n  smtp-source-host 192.0.2.1 mail.example\n{line}</virtual-mta>\n"


def pool(name: str, *members: str) -> str:
    lines = "".join(f"  virtual-mta {member}\n" for member in members)
    return f"<virtual-mta-pool {name}>\n{lines}</virtual-mta-pool>\n"


THERE = "".join(vmta(name, "1/d") for name in NAMES)


@pytest.mark.parametrize(
    ("running", "wanted", "becomes"),
    [
        ("1200/d", "600/d", "600/d"),
        ("1200/d", "2400/d", "1200/d"),
        ("1200/d", "1200/day", "1200/d"),
        ("100/h", "1200/d", "1200/d"),
        ("10/h", "1200/d", "10/h"),
        ("83/10m", "1200/d", "1200/d"),
        ("unlimited", "600/d", "600/d"),
        (None, "600/d", "600/d"),
        ("600/d", None, "600/d"),
        ("600/d", "unlimited", "600/d"),
        ("600/d", "0/d", "600/d"),
        ("0", "600/d", "0"),
        ("600/fortnight", "1/d", "600/fortnight"),
    ],
)
def test_a_cap_only_goes_down(running: str | None, wanted: str | None, becomes: str) -> None:
    text = only_reductions(vmta("a-1", running), vmta("a-1", wanted))
    assert read_inventory(text).vmtas["a-1"].cap == becomes


def test_everything_else_stays_to_the_byte() -> None:
    running = (
        "# by hand\n\n" + vmta("a-1", "1200/d", "  # whole IP") + vmta("a-2", "7/d") + "domain-macro x y\n"
    )
    wanted = vmta("a-1", "600/d") + vmta("b-1", "1/d") + pool("new", "a-1")
    assert only_reductions(running, wanted) == running.replace("1200/d", "600/d")


@pytest.mark.parametrize(
    "limit",
    ["Max-SMTP-Msg-Rate 10/d", "max-smtp-msg-rate 10/d 20/d", "max-smtp-msg-rate 10/fortnight"],
    ids=["other spelling", "two values", "unknown unit"],
)
def test_a_limit_that_is_not_understood_gets_no_higher_one_beside_it(limit: str) -> None:
    running = f"<virtual-mta a-1>\n  {limit}\n</virtual-mta>\n"
    assert only_reductions(running, vmta("a-1", "1200/d")) == running


def test_a_virtual_mta_that_stands_twice_gets_no_higher_limit_beside_its_own() -> None:
    running = vmta("a-1", "10/d") + vmta("a-1", None)
    assert only_reductions(running, vmta("a-1", "1200/d")) == running


def test_members_leave_a_pool_that_keeps_one() -> None:
    running, wanted = THERE + pool("p", "a-1", "a-2"), THERE + pool("p", "a-2", "a-3")
    assert read_inventory(only_reductions(running, wanted)).pools == {"p": ("a-2",)}


@pytest.mark.parametrize(
    "wanted",
    [THERE + pool("p", "a-3"), THERE, vmta("a-2", "1/d") + pool("p", "a-2")],
    ids=["nobody would stay", "the pool disappears", "the virtual MTA disappears"],
)
def test_members_that_cannot_leave_stay(wanted: str) -> None:
    running = THERE + pool("p", "a-1", "a-2")
    assert only_reductions(running, wanted) == running


@pytest.mark.parametrize(
    ("running", "wanted", "lowers"),
    [
        (vmta("a-1", "9/d"), vmta("a-1", "8/d"), True),
        (vmta("a-1", "9/d"), vmta("a-1", "9/d"), True),
        (vmta("a-1", "9/d"), "# why\n" + vmta("a-1", "9/d"), True),
        (vmta("a-1", "9/d") + vmta("a-2", "9/d"), vmta("a-2", "9/d") + vmta("a-1", "9/d"), True),
        (vmta("a-1", "8/d"), vmta("a-1", "9/d"), False),
        (vmta("a-1", "9/d"), vmta("a-1", "8/d") + vmta("a-2", "1/d"), False),
        (vmta("a-1", "9/d") + vmta("a-2", "9/d"), vmta("a-1", "8/d"), False),
        (THERE + pool("p", "a-1", "a-2"), THERE + pool("p", "a-1"), True),
        (pool("p", "a-1"), pool("p", "a-1", "a-2"), False),
    ],
    ids=["lower", "same", "comment", "order", "raise", "new", "gone", "member leaves", "member joins"],
)
def test_a_change_that_only_lowers_is_told_from_others(running: str, wanted: str, lowers: bool) -> None:
    assert only_lowers(running, wanted) is lowers


def test_the_lowered_are_named() -> None:
    running = vmta("a-1", "9/d") + vmta("a-2", "9/d") + vmta("a-3", None)
    assert lowered(running, vmta("a-1", "8/d") + vmta("a-2", "10/d") + vmta("a-3", "5/d")) == {"a-1", "a-3"}


rates = st.one_of(
    st.sampled_from(["unlimited", "0", "0/d", "x/d", "5/fortnight", "#"]),
    st.builds("{}/{}{}".format, st.integers(0, 10**6), st.sampled_from(["", "1", "10"]), st.sampled_from([*UNITS])),
)  # fmt: skip
lines = st.one_of(
    st.builds("  max-smtp-msg-rate {}{}".format, rates, st.sampled_from(["", " # why", "  "])),
    st.builds("  virtual-mta {}".format, st.sampled_from(NAMES)),
    st.sampled_from(
        ["", "# max-smtp-msg-rate 1/d", "  <domain *>", "  </domain>", "</virtual-mta>", "spool /x"]
    ),
)
openers = st.builds(
    "<{} {}>".format, st.sampled_from(["virtual-mta", "virtual-mta-pool"]), st.sampled_from(NAMES)
)
blocks = st.builds(
    lambda kind, name, inner: [f"<{kind} {name}>", *inner, f"</{kind}>"],
    st.sampled_from(["virtual-mta", "virtual-mta-pool"]), st.sampled_from(NAMES), st.lists(lines, max_size=5),
)  # fmt: skip
texts = st.builds(
    lambda parts, end: "\n".join(line for part in parts for line in part) + end,
    st.lists(st.one_of(blocks, blocks, blocks, st.lists(st.one_of(lines, openers), max_size=2)), max_size=6),
    st.sampled_from(["\n", ""]),
)


def per_second(cap: str | None) -> Fraction | None:
    """None: no limit that can be compared."""
    number, _, unit = (cap or "").partition("/")
    digits = unit.rstrip("".join({c for u in UNITS for c in u}))
    if not number.isdigit() or unit[len(digits) :] not in UNITS or not int(number):
        return None
    return Fraction(int(number), int(digits or 1) * UNITS[unit[len(digits) :]])


@settings(max_examples=120, deadline=None)
@given(texts, texts)
@example("<virtual-mta a-1>", "<virtual-mta a-1>\nmax-smtp-msg-rate 1/d\n</virtual-mta>\n")
def test_nothing_is_ever_raised_added_or_taken_away(running: str, wanted: str) -> None:
    before, after = read_inventory(running), read_inventory(only_reductions(running, wanted))
    asked = read_inventory(wanted)
    assert set(after.vmtas) == set(before.vmtas)
    assert set(after.pools) == set(before.pools)
    assert after.rest == before.rest
    for name, block in after.vmtas.items():
        if block.cap != before.vmtas[name].cap:
            assert block.cap == asked.vmtas[name].cap
            old, new = per_second(before.vmtas[name].cap), per_second(block.cap)
            assert new is not None
            assert before.vmtas[name].cap in (None, "unlimited") or (old is not None and new < old)
    for name, members in after.pools.items():
        left = [m for m in before.pools[name] if m not in members]
        assert [m for m in before.pools[name] if m in members] == list(members)
        assert not left or (members and name in asked.pools and not set(left) & set(asked.pools[name]))


@settings(max_examples=120, deadline=None)
@given(texts, texts)
def test_doing_it_twice_changes_nothing_more(running: str, wanted: str) -> None:
    once = only_reductions(running, wanted)
    assert only_reductions(once, wanted) == once
