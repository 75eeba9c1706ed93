"""A form against the fleet file: what would be added, and nothing is."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from email_engine.fleet.config_file import read_text
from email_engine.onboarding.plan import OnboardPlan, plan_onboarding
from email_engine.onboarding.policy import shipped_onboard_policy
from email_engine.onboarding.request import FORM, read_request
from email_engine.onboarding.words import describe, subject
from email_engine.pipelines.run import Run
from email_engine.pipelines.trouble import open_questions_url, question_url
from email_engine.plain_text import plain
from email_engine.store.engine import Store
from email_engine.store.telling.alerts import News, announce
from email_engine.warmup.policy_file import load_policy

ONBOARDING = "fleet_onboard"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OnboardPage:
    """What a person is asked. `over`: a sentence why nobody is."""

    subject: str
    body: str
    over: str | None = None


def planned(path: Path, run: Run) -> OnboardPlan:
    """The plan of the run's form against the fleet file as it is now. Raises as `read_request` and `plan_onboarding`."""
    request = read_request({key: run.params.get(key) for key in FORM if run.params.get(key) is not None})
    per_host = shipped_onboard_policy().ips_per_host
    return plan_onboarding(read_text(path, "fleet file"), path.name, request, run.as_of.date(), per_host)


def plan(store: Store, path: Path, run: Run, base_url: str) -> dict[str, Any]:
    """Shows the plan in the log, and tells people where it waits for a yes. Returns `{"digest", "ips", "done_before"}`."""
    made = planned(path, run)
    log.info("%s\n%s", subject(made), plain(describe(made, load_policy(), run.as_of.date())))
    if _over(made, run) is None:
        announce(store, [_asks(made, run, base_url)])
    return {"digest": made.digest, "ips": len(made.ips), "done_before": made.done_before}


def _asks(made: OnboardPlan, run: Run, base_url: str) -> News:
    lines = [
        f"fleet_onboard asks: {subject(made)}",
        f"The plan, and your yes or no: {question_url(base_url, ONBOARDING, run.run_id, 'ask')}",
        f"On a phone: {open_questions_url(base_url)} (tap the sign beside the state).",
    ]
    return News(
        ONBOARDING, run.run_id, f"asks {made.digest}", "info", "\n".join(lines), None, run.dag_id, run.run_id
    )


def page(path: Path, run: Run) -> OnboardPage:
    """The question before anything is written."""
    made = planned(path, run)
    return OnboardPage(subject(made), describe(made, load_policy(), run.as_of.date()), _over(made, run))


def _over(made: OnboardPlan, run: Run) -> str | None:
    """Why nobody is asked; None where somebody is."""
    if made.done_before:
        return "the fleet file has these IPs already; the run goes on where the one before it stood"
    if run.dry_run:
        return "dry run: this is the plan, and nobody is asked"
    return None if run.params.get("ask", True) else "nobody is asked: `ask` is off"
