"""What people hear of recipient lists: one quiet message an instance and week, with numbers and the way to the file."""

from collections.abc import Sequence

from email_engine.fleet.model import MailwizzInstance
from email_engine.hygiene.report import ListReport, summed_title
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store
from email_engine.store.telling.alerts import News, announce

EVENT = "list_hygiene"
SHOWN = 10


def tell(store: Store, instance: MailwizzInstance, reports: Sequence[ListReport], run: Run) -> None:
    """Says nothing where no list has a finding and nothing is unknown."""
    told = [report for report in reports if report.cannot or report.silent or report.why_unknown]
    if not told:
        return
    worst = sorted(told, key=lambda one: (-(one.cannot + (one.silent or 0)), one.name))
    lines = [summed_title(instance.name, reports), *(report.words for report in worst[:SHOWN])]
    if len(worst) > SHOWN:
        lines.append(f"and {len(worst) - SHOWN} more lists")
    lines.append(
        f"Next: email-engine hygiene report {instance.name} shows every list and where its file is; nothing was changed in MailWizz."
    )
    announce(
        store,
        [
            News(
                EVENT, instance.name, f"{run.as_of:%G-W%V}", "info", "\n".join(lines), instance.tenant,
                run.dag_id, run.run_id, quiet=True,
            )
        ],
    )  # fmt: skip
