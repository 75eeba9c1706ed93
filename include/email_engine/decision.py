"""What was decided about whom, on which inputs, by which policy: the row that is never changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision; `(pipeline, subject, run_key, action_kind)` is unique, so a repeated run adds nothing.

    `inputs` and `verdicts` are plain JSON; `run_key` is the UTC day (`2026-11-21`) for daily pipelines, the fleet
    version for deploy and sync, the start of the sweep otherwise. `applied` is false for tenants in `observe`."""

    tenant: str
    pipeline: str
    subject: str
    run_key: str
    action: str
    reason: str
    as_of: datetime
    policy_digest: str
    kind: str = "decision"
    applied: bool = True
    inputs: Mapping[str, Any] = field(default_factory=dict)
    verdicts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who changes something: person or pipeline (`actor`), as of when (aware UTC), in which run."""

    actor: str
    as_of: datetime
    dag_id: str | None = None
    run_id: str | None = None
