"""One domain that a person named is checked, of the fleet or not."""

import logging
from dataclasses import replace
from typing import Any

from email_engine.dnsauth.by_hand import parse_subject, remembering, with_known_name
from email_engine.dnsauth.model import Subject
from email_engine.dnsauth.ready import judge_readiness
from email_engine.dnsauth.told import render_text
from email_engine.dnsauth.validate import examine, validity
from email_engine.errors import InputError
from email_engine.fleet.key_files import key_file
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.dns_validate import public_key
from email_engine.pipelines.run import Run
from email_engine.store.dns_checks import sender_of
from email_engine.store.engine import Store

log = logging.getLogger(__name__)


def check_domain(store: Store, clients: Clients, run: Run) -> dict[str, Any] | None:
    """What `email-engine dns` says about params `domain`, `ip`, `selector` and `helo`, in the log; None where no domain is named.

    Of a domain of the fleet, what is not given is taken from it. It writes nothing: verdicts are the daily run's.

    Returns `{"domain", "tenant", "ip", "valid": {group: verdict}, "ready", "missing"}`.

    Raises:
        InputError: a domain, IP, selector or HELO name that is none."""
    given = {
        key: str(run.params.get(key) or "").strip() or None for key in ("domain", "ip", "helo", "selector")
    }
    if given["domain"] is None:
        alone = [key for key, value in given.items() if value]
        if alone:
            raise InputError(
                "form of this run",
                f"{', '.join(alone)} without a domain",
                "a domain, or none of them",
                "name the domain and trigger again",
            )
        return None
    subject = parse_subject(given["domain"], given["ip"], given["helo"], given["selector"])
    subject, tenant = _as_the_fleet_has_it(store, subject)
    ask = remembering(clients.resolver().resolve_many)
    subject = with_known_name(subject, ask)
    seen = examine(subject, ask)
    ready = judge_readiness(seen.findings)
    log.info("%s%s\n%s", subject.domain, f" of {tenant}" if tenant else "", render_text(seen.findings, ready))
    return {
        "domain": subject.domain,
        "tenant": tenant,
        "ip": str(subject.address) if subject.address else None,
        "valid": validity(seen.findings),
        "ready": ready.valid,
        "missing": list(ready.missing),
    }


def _as_the_fleet_has_it(store: Store, subject: Subject) -> tuple[Subject, str | None]:
    with store.session(tenant="*") as conn:
        known = sender_of(conn, subject.domain)
    if known is None:
        return subject, None
    if subject.address not in (None, known.address):
        return subject, str(known.tenant)
    selector = subject.selector or known.selector
    path = key_file(known.key_path, known.selector)
    key: dict[str, Any] = (
        {"dkim_key_path": path, "public_key": known.public_key or public_key(path)}
        if selector == known.selector
        else {}
    )
    filled = replace(
        subject, address=known.address, hostname=subject.hostname or known.hostname, selector=selector, **key
    )
    return filled, str(known.tenant)
