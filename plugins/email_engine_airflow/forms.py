"""What the trigger forms share: lengths, names of the fleet as examples, who may start a run."""

from typing import Any

from airflow.sdk import Param

from email_engine.fleet.names_file import known_count, known_names

LONGEST_REASON = 300
LONGEST_NAME = 253
MOST_ENTRIES = 100
"""As in email_engine.forms, which parsing a DAG does not import."""

FEWEST_RUNS, MOST_RUNS = 128, 1_000

BY_HAND = ("manual", "operator_triggered")
BY_CLOCK = ("scheduled", *BY_HAND)
ON_CHANGE = ("asset_triggered", *BY_HAND)
ON_CHANGE_AND_BY_CLOCK = ("asset_triggered", *BY_CLOCK)
"""Types of runs that a DAG allows. No backfill: days that were missed are made good by the next run, and the past
cannot be asked. No materialization either: it would send a form with nothing filled in."""


def name(title: str, description: str, *kinds: str, needed: bool = False) -> Param:
    """A name, with those that `SyncFleet` wrote beside the fleet file as examples; `needed`: the form is not sent without it.

    Read at every parse: bounded, no database, and without the file the form has no examples."""
    known = known_names()
    examples = [one for kind in kinds for one in known.get(kind, ())]
    said: dict[str, Any] = {"maxLength": LONGEST_NAME, "title": title, "description": description}
    if examples:
        said["examples"] = examples
    if needed:
        return Param(type="string", minLength=1, **said)
    return Param(None, type=["null", "string"], **said)


def as_many_as_ips() -> int:
    """How many runs may wait at once where there is one for each IP: as many as the fleet has, FEWEST_RUNS to MOST_RUNS. Read at every
    parse, so it changes only with the fleet."""
    return min(max(known_count("ips"), FEWEST_RUNS), MOST_RUNS)


def words(title: str, description: str, **schema: Any) -> Param:
    """A reason or a cause: nothing is filled in for whoever triggers, so that it is theirs."""
    bounds: dict[str, Any] = {"maxLength": LONGEST_REASON} | schema
    return Param(None, type=["null", "string"], title=title, description=description, **bounds)
