"""Names and addresses of the runs that ask a person and that deploy what was approved."""

from email_engine.pipelines.trouble import question_url
from email_engine.store.deployment.approvals import Approval

ASKING = "pmta_config_approval"
DEPLOYING = "pmta_config_deploy"


def run_of(approval: Approval, what: str) -> str:
    """The run id that belongs to an approval: asked twice, started once."""
    return f"{what}_{approval.id}_{approval.asked_at:%Y%m%dT%H%M%S}"


def answer_url(approval: Approval, base_url: str) -> str:
    """Where to click."""
    return question_url(base_url, ASKING, run_of(approval, "approval"), "ask")
