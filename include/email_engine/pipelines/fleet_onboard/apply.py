"""The plan that a person said yes to: lines in the fleet file, rows in the database, papers to carry elsewhere."""

import logging
from pathlib import Path, PurePosixPath
from typing import Any

from email_engine.adapters.powermta_keys import open_keys
from email_engine.errors import InputError
from email_engine.fleet.config_file import read_text
from email_engine.fleet.model import Mode
from email_engine.onboarding.plan import OnboardPlan
from email_engine.onboarding.policy import shipped_onboard_policy
from email_engine.paths import CONFIG
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.fleet import sync_fleet
from email_engine.pipelines.fleet_onboard.fleet_file import ReadOnly, replace_text
from email_engine.pipelines.fleet_onboard.papers import folder_of, papers, write_papers
from email_engine.pipelines.fleet_onboard.plan import ONBOARDING, planned
from email_engine.pipelines.run import Run
from email_engine.pipelines.trouble import log_url
from email_engine.plural import amount
from email_engine.store import dkim_keys
from email_engine.store.engine import Store
from email_engine.store.telling.alerts import News, announce

log = logging.getLogger(__name__)


def apply(store: Store, clients: Clients, path: Path, run: Run, digest: str) -> dict[str, Any]:
    """Adds the lines to the fleet file, where onboarding.yaml lets it, and brings the database to the file.

    Everything is checked before anything is written, and each step finds what an earlier try left: killed anywhere, it is begun
    anew. Returns `{"tenant", "addresses", "written", "changed"}`; `addresses` are those to wait for.

    Raises:
        InputError: the file changed since the plan was shown, so that another plan would be applied than the one agreed to.
        EngineError: a host's key folder cannot be written to."""
    made = planned(path, run)
    if not made.done_before:
        try:
            _require_agreed(made, digest)
            _require_key_folders(clients, made)
        except (
            InputError
        ) as error:  # what may be gone in a minute is tried again, and told when no try is left
            _tell_refused(store, made, run, error)
            raise
    writes, changed = _writes(path), False
    if not made.done_before:
        writes = writes and _write(path, made)
        if not writes:
            write_papers(folder_of(path, made.ips), {"fleet.yaml": made.text})
            log.info("add these lines to the fleet file:\n%s", "\n".join(made.added))
    if writes or made.done_before:
        changed = bool(sync_fleet(store, path, run)["changed"])
    return {
        "tenant": made.request.tenant,
        "addresses": [str(ip.address) for ip in made.ips],
        "written": writes or made.done_before,
        "changed": changed,
    }


def _require_agreed(made: OnboardPlan, digest: str) -> None:
    if made.digest != digest:
        raise InputError(
            f"onboarding of {made.request.tenant}/{made.request.stream}", "the fleet file changed since the plan was shown",
            "the plan that was agreed to", "nothing was written; start again and look at the new plan",
        )  # fmt: skip


def _require_key_folders(clients: Clients, made: OnboardPlan) -> None:
    """Before anything is written: a key that cannot be put on its host would leave the fleet file half true."""
    tenant = next(one for one in made.fleet.tenants if one.name == made.request.tenant)
    if tenant.mode is Mode.OBSERVE:
        return
    connections = {host.name: host.connection for host in made.fleet.mta_hosts}
    for host in dict.fromkeys(ip.mta_host for ip in made.ips):
        folders = {str(PurePosixPath(ip.dkim_key_path).parent) for ip in made.ips if ip.mta_host == host}
        with clients.mta(connections[host]) as mta, open_keys(mta) as keys:
            for folder in sorted(folders):
                keys.may_write(folder)


def _tell_refused(store: Store, made: OnboardPlan, run: Run, error: InputError) -> None:
    """Somebody said yes and believes that the IPs come."""
    name = f"{made.request.tenant}/{made.request.stream}"
    text = "\n".join(
        [
            f"{amount(len(made.ips), 'IP')} of {name} did not come aboard: nothing was written",
            f"Seen: {error.subject}: {error.observed}",
            f"Next: {error.next_step}",
        ]
    )
    about = f"{run.run_id} refused"
    announce(store, [News(ONBOARDING, about, made.digest, "warning", text, None, run.dag_id, run.run_id)])


def _write(path: Path, made: OnboardPlan) -> bool:
    """False where the file is not the engine's to write: then it is a person's."""
    before = read_text(path, "fleet file")
    write_papers(folder_of(path, made.ips), {"fleet.yaml.before": before})
    try:
        replace_text(path, before, made.text)
    except ReadOnly as error:
        log.warning("%s", error)
        return False
    log.info("%s: %s added", path.name, amount(len(made.added), "line"))
    return True


def _writes(path: Path) -> bool:
    """The example that ships is nobody's fleet."""
    return shipped_onboard_policy().writes and path.parent != CONFIG


def hand_over(store: Store, clients: Clients, path: Path, run: Run, base_url: str) -> str | None:
    """Writes what a person carries elsewhere, shows it in the log, and tells once. Returns the folder, None where it is in the log
    alone."""
    made = planned(path, run)
    with store.session(tenant=made.request.tenant) as conn:
        keys = {
            (key.domain, key.selector): key.public_key
            for key in dkim_keys.load(conn, tenant=made.request.tenant)
            if key.public_key
        }
    texts, folder = papers(made, keys, clients.resolver().resolve_many), folder_of(path, made.ips)
    stored = write_papers(folder, texts)
    for name in ("records.txt", "mailwizz-steps.txt", "delivery-servers.csv"):
        log.info("%s\n%s", name, texts[name])
    _tell(store, made, run, folder if stored else None, made.done_before, base_url)
    return str(folder) if stored else None


def _tell(
    store: Store, made: OnboardPlan, run: Run, folder: Path | None, written: bool, base_url: str
) -> None:
    """Whoever publishes records has no login on the engine's host: the log shows them too."""
    page = log_url(base_url, run.dag_id, run.run_id, "hand_over", None)
    where = f"{page}, and as files in {folder} on the engine's host" if folder else page
    lines = [
        f"{amount(len(made.ips), 'IP')} come to {made.request.tenant}/{made.request.stream}, {made.ips[0].address} to {made.ips[-1].address}",
        "Publish the DNS records (records.txt) and make the delivery servers in MailWizz (mailwizz-steps.txt).",
        f"They are in the log of {where}.",
    ]
    if not written:
        lines.append(
            f"The fleet file is yours to change: its new lines are in the log of `apply`{f', and the whole of it in {folder}' if folder else ''}. "
            "Then send the same form again, for its DKIM keys."
        )
    lines.append("The run waits until DNS is seen to be right; then the clean days begin.")
    name = f"{made.request.tenant}/{made.request.stream} {made.ips[0].address}"
    tenant = made.request.tenant if written else None  # a new one is not in the database yet
    text = "\n".join(lines)
    announce(store, [News(ONBOARDING, name, "to be published", "info", text, tenant, run.dag_id, run.run_id)])
