"""How long what people type may be."""

from typing import Any

import pytest

from email_engine.errors import InputError
from email_engine.forms import LONGEST_NAME, LONGEST_REASON, one_line, require_short, shortened

GIANT = "z" * 1_000_000


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"reason": GIANT}, "reason has 1000000 characters"),
        ({"cause": "c" * (LONGEST_REASON + 1)}, f"cause has {LONGEST_REASON + 1} characters"),
        ({"name": "n" * (LONGEST_NAME + 1)}, f"name has {LONGEST_NAME + 1} characters"),
        ({"lists": ["zen"] * 101}, "lists has 101 entries"),
        ({"lists": ["zen", GIANT]}, "an entry of lists has 1000000 characters"),
    ],
    ids=["reason", "cause", "name", "many", "entry"],
)
def test_what_is_too_long_is_refused_with_its_size_and_not_with_itself(
    params: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        require_short(params)
    assert said in caught.value.observed
    assert len(str(caught.value)) < 500
    assert "nothing was done" in caught.value.next_step


def test_what_fits_passes() -> None:
    require_short(
        {
            "reason": "r" * LONGEST_REASON,
            "name": "n" * LONGEST_NAME,
            "until": None,
            "dry_run": True,
            "lists": ["zen"] * 100,
        }
    )


def test_a_text_becomes_one_line_and_is_cut_where_it_is_too_long() -> None:
    assert one_line(" two\n\twords \x0b ") == "two words"
    assert one_line(None) == ""
    assert one_line(7) == "7"
    assert len(one_line(GIANT)) == LONGEST_REASON
    assert one_line(GIANT).endswith("z...")
    assert shortened("abc", 3) == "abc"
