"""When a delivery server that was switched off counts as silent."""

from datetime import UTC, datetime, timedelta

import pytest

from email_engine.mailer.silence import Heard, Rows, Silence, listen

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def after(*looks: tuple[float, int], logged: bool = True) -> tuple[Silence, list[Heard | None]]:
    """Looks as (minutes after the switch, rows since the look before)."""
    silence, heard = Silence(1, "aurora", 101, NOON, 500, NOON), []
    for number, (minutes, rows) in enumerate(looks):
        silence, news = listen(silence, Rows(501 + number, rows, logged), NOON + timedelta(minutes=minutes))
        heard.append(news)
    return silence, heard


@pytest.mark.parametrize(
    ("looks", "heard", "handed_over"),
    [
        ([(1, 0)], [None], 0),
        ([(1, 0), (2, 0)], [None, "silent"], 0),
        ([(2, 40), (3.9, 0), (4, 0)], [None, None, "silent"], 40),
        ([(2, 40), (4, 3), (6, 0)], [None, None, "silent"], 43),
        ([(2, 0), (11, 0), (12, 0)], ["silent", None, None], 0),
        ([(2, 0), (8, 1), (10, 0)], ["silent", "hands over again", "silent"], 1),
        ([(2, 9), (9, 9), (10, 9), (12, 9), (14, 0)], [None, None, "hands over still", None, "silent"], 36),
    ],
)  # fmt: skip
def test_two_minutes_without_a_row_are_silence(
    looks: list[tuple[float, int]], heard: list[str | None], handed_over: int
) -> None:
    silence, news = after(*looks)
    assert (news, silence.handed_over) == (heard, handed_over)


def test_it_is_proven_by_one_more_look_ten_minutes_later() -> None:
    assert after((2, 0), (11, 0))[0].proven_at is None
    assert after((2, 0), (12, 0))[0].proven_at == NOON + timedelta(minutes=12)
    woke, _ = after((2, 0), (12, 1))
    assert (woke.proven_at, woke.silent_at) == (None, None)


def test_the_newest_row_is_where_the_next_look_begins() -> None:
    assert after((1, 3), (2, 0))[0].last_row == 502


@pytest.mark.parametrize(
    ("looks", "heard"),
    [
        ([(1, 0), (2, 0), (12, 0), (60, 0)], [None, "is not known to be silent", None, None]),
        ([(1, 3), (3, 0), (13, 0)], [None, "silent", None]),
        ([(2, 0), (3, 1), (5, 0)], ["is not known to be silent", None, "silent"]),
    ],
    ids=["no row ever", "its own rows are evidence", "a row came late"],
)
def test_no_row_of_a_server_that_mailwizz_does_not_log_proves_nothing(
    looks: list[tuple[float, int]], heard: list[str | None]
) -> None:
    silence, news = after(*looks, logged=False)
    assert news == heard
    assert (silence.silent_at is None, silence.proven_at is None) == (
        "silent" not in heard,
        "silent" not in heard or looks[-1][0] < 13,
    )


def test_what_the_log_knows_later_is_proven_then() -> None:
    unknown, _ = after((2, 0), logged=False)
    silence, heard = listen(unknown, Rows(900, 0, logged=True), NOON + timedelta(minutes=4))
    assert (heard, silence.silent_at) == (Heard.SILENT, NOON + timedelta(minutes=4))
