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
from email_engine.warmup.policy_file import load_policy

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


def plan(path: Path, run: Run) -> dict[str, Any]:
    """Shows the plan in the log. Returns `{"digest", "ips", "done_before"}`."""
    made = planned(path, run)
    log.info("%s\n%s", subject(made), describe(made, load_policy(), run.as_of.date()))
    return {"digest": made.digest, "ips": len(made.ips), "done_before": made.done_before}


def page(path: Path, run: Run) -> OnboardPage:
    """The question before anything is written."""
    made = planned(path, run)
    over = None
    if made.done_before:
        over = "the fleet file has these IPs already; the run goes on where the one before it stood"
    elif run.dry_run:
        over = "dry run: this is the plan, and nobody is asked"
    elif not run.params.get("ask", True):
        over = "nobody is asked: `ask` is off"
    return OnboardPage(subject(made), describe(made, load_policy(), run.as_of.date()), over)
