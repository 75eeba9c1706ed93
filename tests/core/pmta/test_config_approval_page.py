"""The page that a person sees before saying yes: short, bounded, and nothing in it becomes markup."""

from datetime import UTC, datetime
from typing import Any

from email_engine.pmta.config.approval_page import (
    SHOWN_ITEMS,
    SHOWN_LINES,
    Cause,
    Waiting,
    render_question,
    vanishing,
)

NOON = datetime(2026, 11, 21, 12, 7, tzinfo=UTC)
UNTIL = datetime(2026, 11, 21, 18, tzinfo=UTC)
LOG = "http://engine/dags/pmta_config_approval/runs/r/tasks/ask"


def page(**changes: Any) -> str:
    values: dict[str, Any] = {
        "host": "mta-1", "until": UNTIL, "why": ["1 virtual MTA (a-1) would disappear"], "waiting": Waiting(NOON, {"a-1": 42}),
        "causes": [Cause("fleet version 7: fleet file: 1 remove", "warmup_advance", "http://engine/dags/w")],
        "meaning": "vmta a-1: gone", "diff": "@@ -1 +1 @@\n-<virtual-mta a-1>\n-x\n", "whole": LOG,
    }  # fmt: skip
    return render_question(**values | changes)


def test_it_says_where_until_when_why_what_waits_who_and_what_in_this_order() -> None:
    text = page(only="for tenant aurora alone")
    order = (
        "mta-1", "tenant aurora alone", "Answer until 2026-11-21 18:00 UTC", "No answer means no", "would disappear",
        "a-1: 42 recipients", "fleet version 7", "vmta a-1: gone", "Approve",
    )  # fmt: skip
    places = [text.index(word) for word in order]
    assert places == sorted(places)
    assert "seen 2026-11-21 12:07 UTC" in text
    assert "[warmup\\_advance](http://engine/dags/w)" in text


def test_the_first_lines_of_the_difference_stand_there_and_all_are_behind_a_link() -> None:
    assert "```diff\n@@ -1 +1 @@\n-<virtual-mta a-1>\n-x\n```" in page()
    assert f"[All 3 lines of the difference]({LOG})" in page()
    long = page(diff="+x\n" * 5000)
    assert long.count("+x") == SHOWN_LINES
    assert f"[All 5000 lines of the difference]({LOG})" in long
    assert "difference" not in page(diff="\n")


def test_nothing_in_a_configuration_ends_its_fence() -> None:
    assert "\n````diff\n+# ```\n" in page(diff="+# ```\n+[x](javascript:1)\n")


def test_a_giant_question_stays_short() -> None:
    giant = "x" * 1_000_000
    text = page(
        host=giant, why=[giant] * 50, meaning="item\n" * (SHOWN_ITEMS + 3), causes=[Cause(giant, giant, LOG)] * 9,
        waiting=Waiting(NOON, {f"a-{n}": n for n in range(1000)}), only=giant, diff=f"+{giant}\n" * 50,
    )  # fmt: skip
    assert len(text) < 8000
    assert "- and 3 more" in text
    assert "- and 44 more" in text
    assert "- a-999: 999 recipients" in text
    assert f"- and {sum(range(995))} in 995 more" in text


def test_unknown_is_not_none() -> None:
    assert "- not known: no look" in page(waiting=Waiting(None, {"a-1": 0}))
    assert "- none" in page(waiting=Waiting(NOON, {"a-1": 0, "a-2": 0}))
    assert "Mail waiting" not in page(waiting=Waiting(NOON, {}))


def test_nothing_that_others_wrote_becomes_markup() -> None:
    evil = "vmta [a](http://evil) **b** <img>\n\n# head\n~~gone~~"
    text = page(meaning=evil.replace("\n", " "), why=[evil], causes=[Cause(evil, evil, LOG)])
    assert r"vmta \[a\](http://evil) \*\*b\*\* \<img\>" in text
    assert "\n# head" not in text
    assert "[a]" not in text


def test_what_vanishes_is_read_out_of_the_difference() -> None:
    diff = "-<virtual-mta a-1>\n-</virtual-mta>\n-<virtual-mta a-2>\n+<virtual-mta a-2>\n <virtual-mta a-3>\n+<virtual-mta a-4>\n"
    assert vanishing(diff) == ("a-1",)
    assert vanishing("") == ()
