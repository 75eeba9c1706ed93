"""The plan of one host as plain JSON, and which plans each step takes."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

REDUCTIONS = "reductions"


class Plan(TypedDict):
    """`kind` is "at_once" (slows down, holds or lets go, no more), "canary" or "approval". `digest`: of the whole configuration,
    `previous`: of what stands there, `reduced`: of the part that only lowers. `changed`: is anything to be done? `lowers`: is
    there something that slows down or holds? `approval`: the question's id in table approvals. `part`: REDUCTIONS where only
    what lowers is applied."""

    host: str
    digest: str
    previous: str | None
    reduced: str | None
    kind: str
    changed: bool
    lowers: bool
    summary: str
    approval: int | None
    fleet_version: int
    dry_run: bool
    part: NotRequired[str]


def choose(plans: Sequence[Plan | None], part: str) -> list[Plan]:
    """The plans of one step; none in a dry run. `part`:

    - "reduce": what waits for nobody. Whole plans that only slow down, hold or let go; of the others but the canary's the
      part that slows down, also where the rest waits for a person.
    - "canary": the first host with a real change; "rest": the others.
    - "ask": those where a person must be asked."""
    changed = [plan for plan in plans if plan and not plan["dry_run"] and plan["changed"]]
    busy = sorted(changed, key=lambda plan: plan["host"])
    of_kind = {kind: [p for p in busy if p["kind"] == kind] for kind in ("at_once", "canary", "approval")}
    canary, rest = of_kind["canary"][:1], of_kind["canary"][1:]
    waiting = [plan for plan in (*rest, *of_kind["approval"]) if plan["lowers"]]
    chosen = {
        "reduce": [*of_kind["at_once"], *(reductions_of(plan) for plan in waiting)],
        "canary": canary,
        "rest": rest,
        "ask": of_kind["approval"],
    }
    return chosen[part]


def reductions_of(plan: Plan) -> Plan:
    """The part of it that only lowers."""
    return {**plan, "part": REDUCTIONS}
