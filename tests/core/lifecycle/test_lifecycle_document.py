"""docs/lifecycle.md shows the table that the code runs on."""

from dataclasses import replace

import pytest

from email_engine.errors import InputError
from email_engine.lifecycle.document import BEGIN, END, render_page, render_table
from email_engine.lifecycle.machine import TABLE
from email_engine.paths import ROOT
from email_engine.warmup.policy_file import load_policy

POLICY = load_policy()


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8")
    assert render_page(page, POLICY) == page


def test_guards_show_the_numbers_of_the_policy() -> None:
    table = render_table(replace(POLICY, rest_days=31, clean_days=8))
    assert "| 31 days of rest are over" in table
    assert "| 8 clean days in standby" in table
    assert "{" not in table


def test_every_transition_is_a_row_and_every_move_an_arrow() -> None:
    table = render_table(POLICY)
    for row in TABLE:
        stays = "" if row.moves else " (stays)"
        assert f"| {row.state} | `{row.event}` | {row.to}{stays} | {row.by} | {row.when(POLICY)} |" in table
        assert (f"    {row.state} --> {row.to}: " in table) is row.moves


def test_only_what_stands_between_the_markers_is_made_anew() -> None:
    page = render_page(f"above\n{BEGIN}\nyesterday\n{END}\nbelow\n", POLICY)
    assert page.startswith(f"above\n{BEGIN}\n")
    assert page.endswith(f"{END}\nbelow\n")
    assert "yesterday" not in page
    assert render_page(page, POLICY) == page


def test_a_lost_marker_is_named() -> None:
    with pytest.raises(InputError, match=r"lifecycle\.md"):
        render_page("no markers", POLICY)
