"""What the linter calls wrong goes to no host."""

import pytest

from email_engine.errors import InputError
from email_engine.fleet.model import MtaHost
from email_engine.pmta.lint.gate import require_sound

HOST = MtaHost("mta-1", "powermta_mta-1", "4.5")
GOOD = (
    "<virtual-mta v>\n  smtp-source-host 192.0.2.1 m.example.com\n  max-smtp-msg-rate 50/d\n</virtual-mta>\n"
)


def test_what_is_right_passes() -> None:
    require_sound(HOST, GOOD)


def test_a_warning_passes() -> None:
    require_sound(HOST, GOOD + "<domain x.example>\n  max-msg-per-hour 5\n</domain>\n")


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("50/d", "50/day/day", "line 3"),
        ("50/d", "83/10m", "line 3: .*5[.]0"),
        ("max-smtp", "max-smpt", "line 3"),
    ],
    ids=["a value", "a newer release", "a name"],
)
def test_an_error_is_told_with_its_line(right: str, wrong: str, told: str) -> None:
    with pytest.raises(InputError, match=rf"configuration for mta-1: .*1 error: {told}"):
        require_sound(HOST, GOOD.replace(right, wrong))


def test_what_is_wrong_there_already_stops_nothing_else() -> None:
    running = GOOD + "flux-capacitor 3\n"
    require_sound(HOST, running.replace("50/d", "40/d"), running)
    with pytest.raises(InputError, match=r"1 error: .*warp-drive"):
        require_sound(HOST, running + "warp-drive 1\n", running)


def test_many_errors_are_counted() -> None:
    with pytest.raises(InputError, match=r"8 errors.*nonsense-4.*and 3 more"):
        require_sound(HOST, GOOD + "".join(f"nonsense-{n} 1\n" for n in range(8)))


def test_one_cause_on_many_lines_takes_the_room_of_one() -> None:
    with pytest.raises(
        InputError, match=r"9 errors: line \d+ and 7 more lines: .*`nonsense`.*; line \d+: .*other"
    ):
        require_sound(HOST, GOOD + "nonsense 1\n" * 8 + "other 1\n")
