"""Every stage of a DKIM key meets every event."""

import pytest

from email_engine.dkim.stages import MOVES, TABLE, KeyEvent, KeyStage, next_stage
from email_engine.errors import InputError

S, E = KeyStage, KeyEvent
PAIRS = [(stage, event) for stage in KeyStage for event in KeyEvent]


@pytest.mark.parametrize(("stage", "event"), PAIRS, ids=[f"{s}-{e}" for s, e in PAIRS])
def test_an_event_leads_where_the_table_says_or_is_refused(stage: KeyStage, event: KeyEvent) -> None:
    rows = [row for row in TABLE if (row.stage, row.event) == (stage, event)]
    if rows:
        assert next_stage(stage, event) is rows[0].to
        assert len(rows) == 1
    else:
        with pytest.raises(InputError, match=f"event {event} of a DKIM key in stage {stage}"):
            next_stage(stage, event)


def test_a_key_signs_only_after_it_was_seen_and_is_revoked_only_after_the_overlap() -> None:
    assert {stage for stage, to in MOVES.items() if S.SIGNING in to.values()} == {S.SEEN, S.OVERLAP}
    assert {stage for stage, to in MOVES.items() if S.REVOKING in to.values()} == {S.OVERLAP}
    assert {stage for stage, to in MOVES.items() if S.REMOVED in to.values()} == {S.REVOKED}
    assert MOVES[S.REMOVED] == {}


def test_a_key_that_signs_or_signed_cannot_be_given_up() -> None:
    assert {stage for stage in S if E.CANCEL in MOVES[stage]} == {S.MAKING, S.MADE, S.SEEN}
