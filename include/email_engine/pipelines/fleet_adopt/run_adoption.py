"""The run of the DAG: a form, the connections, and what a person reads."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from email_engine.adoption.request import FORM, AdoptRequest, read_request
from email_engine.paths import CONFIG
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.fleet_adopt.papers import FOLDER, write_adoption
from email_engine.pipelines.fleet_adopt.proposal import AdoptionProposal, propose_adoption
from email_engine.pipelines.fleet_adopt.report import next_steps, render_report, summary
from email_engine.pipelines.fleet_adopt.sources import HostSource, RemoteHost
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store
from email_engine.store.telling.alerts import News, announce
from email_engine.warmup.policy_file import load_policy

log = logging.getLogger(__name__)
ADOPTION = "fleet_adopt"


def remote_hosts(request: AdoptRequest, clients: Clients) -> list[HostSource]:
    """Every host by its connection."""
    return [RemoteHost(host, clients.mta) for host in request.hosts]


def adopt_fleet(store: Store, clients: Clients, path: Path, run: Run) -> dict[str, Any]:
    """Reads what the form names, and writes draft and report to `adoption/` beside the fleet file `path`; a dry run shows them in its log.

    Neither hosts, MailWizz nor the engine's tables are written to. Returns counts and the folder, None where it is in the log alone."""
    given = {key: run.params.get(key) for key in FORM}
    request = read_request(given, frozenset(load_policy().schedules))
    made = propose_adoption(request, remote_hosts(request, clients), clients.mailwizz_db, run.as_of)
    folder = path.resolve().parent / FOLDER
    report = render_report(made, f"{FOLDER}/fleet.draft.yaml")
    log.info("%s", report)
    stored = not run.dry_run and path.parent != CONFIG
    if stored:
        draft, told = write_adoption(folder, made.fleet, report)
        log.info("written: %s, %s", draft, told)
        _tell(store, made, run, folder)
    else:
        if not run.dry_run:
            log.warning(
                "EMAIL_ENGINE_FLEET names no fleet file of yours, so nothing is written: what follows is all there is"
            )
        log.info("the draft of the fleet file:\n%s", made.fleet)
    return _counts(made) | {"folder": str(folder) if stored else None}


def _tell(store: Store, made: AdoptionProposal, run: Run, folder: Path) -> None:
    lines: Sequence[str] = [
        f"A fleet file is proposed in {folder}",
        *summary(made),
        f"Next: {next_steps(made, 'fleet.draft.yaml')[0]}",
    ]
    announce(
        store,
        [News(ADOPTION, run.run_id, "proposed", "info", "\n".join(lines), None, run.dag_id, run.run_id)],
    )


def _counts(made: AdoptionProposal) -> dict[str, Any]:
    return {
        "hosts": len(made.hosts),
        "ips": len(made.senders),
        "blanks": made.blanks,
        "findings": len(made.findings),
        "stopped": sum(one is not None and one.stopped for one in made.past),
    }
