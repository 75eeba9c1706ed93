"""The page that a person sees before saying yes."""

from email_engine.mta.question import SHOWN_ITEMS, SHOWN_LINES, render_question


def page(**changes: str) -> str:
    values = {
        "host": "mta-1", "caused_by": "ops: sold", "meaning": "vmta a-1: gone", "diff": "-<virtual-mta a-1>\n",
        "whole": "in table approvals, id 7, column diff",
    }  # fmt: skip
    return render_question(why=["1 virtual MTA (a-1) would disappear"], **values | changes)


def test_it_says_who_what_why_and_shows_the_lines() -> None:
    text = page(only="for tenant aurora alone")
    assert (
        text.index("mta-1")
        < text.index("would disappear")
        < text.index("vmta a-1: gone")
        < text.index("```diff")
    )
    assert "ops: sold, for tenant aurora alone" in text
    assert "```diff\n-<virtual-mta a-1>\n```" in text


def test_a_long_difference_is_cut_and_says_where_the_whole_is() -> None:
    text = page(diff="+x\n" * (SHOWN_LINES + 5), meaning="item\n" * (SHOWN_ITEMS + 3))
    assert text.count("+x") == SHOWN_LINES
    assert "5 of 405 lines are left out here; the whole is in table approvals, id 7, column diff." in text
    assert "- and 3 more" in text


def test_nothing_in_a_configuration_ends_its_fence_or_becomes_markup() -> None:
    text = page(diff="+# ```\n+[x](javascript:1)\n", meaning="vmta [a](http://evil) **b** <img>")
    assert "\n````diff\n+# ```\n" in text
    assert r"vmta \[a\](http://evil) \*\*b\*\* \<img\>" in text
