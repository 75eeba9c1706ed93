"""docs/lifecycle.md shows the table that the code runs on."""

import pytest

from email_engine.errors import InputError
from email_engine.lifecycle.document import BEGIN, END, PAGE, main, render_page, render_table
from email_engine.lifecycle.machine import TABLE


def test_the_page_is_current() -> None:
    assert main(["--check"]) == 0


def test_every_transition_is_a_row_and_every_move_an_arrow() -> None:
    table = render_table()
    for row in TABLE:
        stays = "" if row.moves else " (stays)"
        assert f"| {row.state} | `{row.event}` | {row.to}{stays} | {row.by} | {row.guard} |" in table
        assert (f"    {row.state} --> {row.to}: " in table) is row.moves


def test_only_what_stands_between_the_markers_is_made_anew() -> None:
    page = render_page(f"above\n{BEGIN}\nyesterday\n{END}\nbelow\n")
    assert page.startswith(f"above\n{BEGIN}\n")
    assert page.endswith(f"{END}\nbelow\n")
    assert "yesterday" not in page
    assert render_page(page) == page


def test_a_lost_marker_is_named() -> None:
    with pytest.raises(InputError, match=PAGE.name):
        render_page("no markers")
