"""Whom a person means: an IP, a stream, a tenant, or all."""

from collections.abc import Sequence
from enum import StrEnum

from email_engine.errors import InputError
from email_engine.fleet.model import IpRecord, Mode
from email_engine.forms import shortened


class Scope(StrEnum):
    IP = "ip"
    STREAM = "stream"
    TENANT = "tenant"
    ALL = "all"


def read_scope(given: object) -> Scope:
    """The scope of a form; raises InputError for any other word."""
    known = [scope.value for scope in Scope]
    if given not in known:
        raise InputError(
            "param scope", repr(given)[:60], f"one of {', '.join(known)}", "trigger again with one of these"
        )
    return Scope(str(given))


def choose(records: Sequence[IpRecord], scope: Scope, name: str | None) -> tuple[IpRecord, ...]:
    """The IPs that `scope` and `name` mean: an address, `tenant/stream`, a tenant's name; no name for all.

    Raises InputError when nothing is meant, or when a tenant in `observe` is: nothing may change there. All leaves
    such tenants out."""
    names = {
        Scope.IP: lambda r: str(r.address),
        Scope.STREAM: lambda r: f"{r.tenant}/{r.stream}",
        Scope.TENANT: lambda r: r.tenant,
    }
    if scope is Scope.ALL:
        return tuple(r for r in records if r.mode is Mode.ACT)
    wanted = (name or "").strip().lower()
    chosen = tuple(r for r in records if names[scope](r) == wanted)
    if not chosen:
        known = sorted({names[scope](r) for r in records})
        listed = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
        raise InputError(
            f"param name for scope {scope}",
            shortened(repr(name)),
            f"one of {listed}",
            "trigger again with a known name",
        )
    if any(r.mode is Mode.OBSERVE for r in chosen):
        raise InputError(
            f"{scope} {wanted}", "its tenant is in mode observe", "a tenant in mode act",
            "set `mode: act` in the fleet file and run warmup_advance, or stop the mail in PowerMTA and MailWizz by hand",
        )  # fmt: skip
    return chosen
