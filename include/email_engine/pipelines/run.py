"""What a pipeline knows of its run: the key time, the dry-run flag, who caused it, params."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Self

from email_engine.decision import Origin
from email_engine.errors import InputError
from email_engine.forms import one_line, shortened

INTERNAL_KEYS: Mapping[str, tuple[str, ...]] = {
    "pmta_config_deploy": ("approval", "only_failed"),
    "pmta_config_approval": ("approval", "hours"),
    "delisting": ("listing",),
}
"""Keys of a run's conf that DAGs and scripts pass and no form shows; `Run.internal` reads them."""
LARGEST_ID = 2**31 - 1
LONGEST_HOURS = 168


@dataclass(frozen=True, slots=True)
class Run:
    """One DAG run as the engine's tables name it.

    `as_of` is the run's `run_after` (aware UTC): every decision uses it instead of the clock, so a cleared task
    decides the same again. `actor` is `dag_id` for scheduled runs and the triggering user otherwise."""

    dag_id: str
    run_id: str
    as_of: datetime
    dry_run: bool
    actor: str
    params: Mapping[str, Any]

    @property
    def reason(self) -> str:
        """Param `reason` on one line, cut where it is too long; '' where none was given."""
        return one_line(self.params.get("reason"))

    @property
    def caused_by(self) -> str:
        """The actor, and param `reason` where it was given: for rows that people read."""
        return f"{self.actor}: {self.reason}" if self.reason else self.actor

    @property
    def origin(self) -> Origin:
        """As what it changes is written down."""
        return Origin(self.actor, self.as_of, self.dag_id, self.run_id)

    def internal(self, key: str) -> Any:
        """One of INTERNAL_KEYS, None where it was not given; raises InputError for a value of the wrong kind, which
        Airflow does not look at."""
        value = self.params.get(key)
        if value is None:
            return None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        good, allowed = {
            "approval": (
                number and isinstance(value, int) and 1 <= value <= LARGEST_ID,
                "an id of table approvals",
            ),
            "listing": (
                number and isinstance(value, int) and 1 <= value <= LARGEST_ID,
                "an id of table blacklist_events",
            ),
            "only_failed": (isinstance(value, bool), "true or false"),
            "hours": (number and 0 < value <= LONGEST_HOURS, f"a number above 0, {LONGEST_HOURS} at most"),
        }[key]
        if not good:
            raise InputError(
                f"key {key} of this run", shortened(repr(value)), allowed, "nothing was done; trigger again"
            )
        return value

    @property
    def day(self) -> date:
        """The UTC day that a daily pipeline closes: param `day`, else the day before `as_of`."""
        given = self.params.get("day")
        return date.fromisoformat(given) if given else (self.as_of - timedelta(days=1)).date()

    def no_earlier_than(self, known: datetime | None) -> Self:
        """This run as of `known` if that is later: an old run that is cleared today works with today's allowances."""
        return self if known is None or known <= self.as_of else replace(self, as_of=known)
