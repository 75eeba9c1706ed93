"""The table of transitions, walked pair by pair."""

import pytest

from email_engine.errors import InputError
from email_engine.fleet.model import IpState
from email_engine.lifecycle.machine import TABLE, TRANSITIONS, Cause, Event, known, next_state, transition_of

S, E = IpState, Event
SENDING = (S.WARMING, S.ACTIVE, S.RETIRING)
TROUBLE = {E.LISTED, E.TRIPWIRE, E.SECOND_STOP, E.QUARANTINE}
DESIGNED = {
    (S.STANDBY, E.START): S.WARMING,
    (S.STANDBY, E.LISTED): S.STANDBY,
    (S.WARMING, E.GRADUATE): S.ACTIVE,
    (S.ACTIVE, E.IDLE): S.WARMING,
    (S.ACTIVE, E.RETIRE): S.RETIRING,
    (S.RETIRING, E.DRAINED): S.RESTING,
    (S.RESTING, E.RESTED): S.STANDBY,
    (S.RESTING, E.LISTED): S.RESTING,
    (S.QUARANTINE, E.LISTED): S.QUARANTINE,
    (S.QUARANTINE, E.CLEAN): S.RESTING,
    (S.QUARANTINE, E.RELEASE): S.RESTING,
    (S.QUARANTINE, E.REENTER): S.WARMING,
    **{(state, E.ABANDON): S.ABANDONED for state in (S.STANDBY, S.RESTING, S.QUARANTINE)},
    **{(state, event): S.QUARANTINE for state in SENDING for event in TROUBLE},
    **{(state, event): state for state in SENDING for event in (E.PAUSE, E.RESUME)},
}
PERSONS = {E.START, E.PAUSE, E.RESUME, E.QUARANTINE, E.RELEASE, E.REENTER, E.RETIRE, E.ABANDON}


@pytest.mark.parametrize("event", Event, ids=str)
@pytest.mark.parametrize("state", IpState, ids=str)
def test_every_pair_leads_where_the_design_says_or_is_refused_by_name(state: IpState, event: Event) -> None:
    wanted = DESIGNED.get((state, event))
    assert known(state, event) is (wanted is not None)
    if wanted:
        assert next_state(state, event) is wanted
        return
    with pytest.raises(InputError, match=f"event {event} in state {state}: no such transition") as refused:
        next_state(state, event)
    for allowed in TRANSITIONS[state]:
        assert allowed in refused.value.allowed


@pytest.mark.parametrize("event", Event, ids=str)
@pytest.mark.parametrize("state", IpState, ids=str)
def test_a_person_and_the_engine_cause_what_is_theirs_only(state: IpState, event: Event) -> None:
    for by in (Cause.PERSON, Cause.ENGINE):
        row = next((row for row in TABLE if (row.state, row.event) == (state, event)), None)
        if row and row.by in (by, Cause.BOTH):
            assert transition_of(state, event, by) is row
            continue
        with pytest.raises(InputError) as refused:
            transition_of(state, event, by)
        theirs = [row.event for row in TABLE if row.state is state and row.by in (by, Cause.BOTH)]
        assert refused.value.allowed == (", ".join(theirs) or "no event: the state is final")


def test_persons_cause_what_the_form_offers() -> None:
    assert {row.event for row in TABLE if row.by is not Cause.ENGINE} == PERSONS


def test_every_state_has_its_rows_and_every_row_its_guard() -> None:
    assert set(TRANSITIONS) == set(IpState)
    assert {row.event for row in TABLE} == set(Event)
    assert all(row.guard for row in TABLE)
    assert len(TABLE) == sum(len(events) for events in TRANSITIONS.values())


def test_abandoned_is_final() -> None:
    assert not TRANSITIONS[S.ABANDONED]


def reached(start: IpState, without: set[Event]) -> set[IpState]:
    """The states that lead from `start` over events other than `without`."""
    seen, todo = set(), [start]
    while todo:
        for event, to in TRANSITIONS[todo.pop()].items():
            if event not in without and to not in seen:
                seen.add(to)
                todo.append(to)
    return seen


def test_no_way_leads_from_quarantine_to_mail_but_past_clean_release_or_reentry() -> None:
    assert reached(S.QUARANTINE, {E.CLEAN, E.RELEASE, E.REENTER}) == {S.QUARANTINE, S.ABANDONED}
    assert reached(S.QUARANTINE, {E.REENTER, E.RESTED}) == {S.QUARANTINE, S.RESTING, S.ABANDONED}


@pytest.mark.parametrize("state", [S.STANDBY, S.RESTING, S.QUARANTINE], ids=str)
def test_nothing_becomes_active_without_warming(state: IpState) -> None:
    assert S.ACTIVE not in reached(state, {E.GRADUATE})


def test_every_state_but_the_end_can_be_left_for_standby_again() -> None:
    for state in set(IpState) - {S.ABANDONED}:
        assert S.STANDBY in reached(state, set())


def test_a_pause_is_no_state() -> None:
    assert {row.moves for row in TABLE if row.event in (E.PAUSE, E.RESUME)} == {False}


def test_events_are_known_by_their_text() -> None:
    assert next_state(S.STANDBY, "start") is S.WARMING


@pytest.mark.parametrize(
    ("state", "expected"),
    [(S.STANDBY, "expected start, listed, abandon"), (S.ABANDONED, "no event: the state is final")],
    ids=["what is known", "final"],
)
def test_an_unknown_event_names_event_state_and_what_is_known(state: IpState, expected: str) -> None:
    with pytest.raises(InputError) as refused:
        next_state(state, "explode")
    assert f"event explode in state {state}" in str(refused.value)
    assert expected in str(refused.value)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[S.STANDBY] = {}  # type: ignore[index]
