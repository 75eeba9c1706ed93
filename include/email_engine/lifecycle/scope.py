"""Whom a person means: an IP, a stream, a tenant, or all."""

from collections.abc import Sequence
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import ip_address

from email_engine.errors import InputError
from email_engine.fleet.model import IpRecord, Mode
from email_engine.plural import LONGEST_SHOWN, excerpt

NAMED = 10


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
            "param scope",
            excerpt(given) if given else "empty",
            f"one of {', '.join(known)}",
            "trigger again with one of these",
        )
    return Scope(str(given))


_FORMS = {
    Scope.IP: ("an IP of the fleet", "fill in its address"),
    Scope.STREAM: ("a stream as tenant/stream", "fill in the tenant, a slash and the stream"),
    Scope.TENANT: ("a tenant", "fill in its name"),
}


def _as_known(scope: Scope, wanted: str) -> str:
    """Addresses have many spellings; the fleet knows one of them."""
    try:
        return str(ip_address(wanted)) if scope is Scope.IP else wanted
    except ValueError:
        return wanted


def _unknown(scope: Scope, given: str | None, wanted: str, known: list[str]) -> InputError:
    what, fill_in = _FORMS[scope]
    subject = "param name"
    if not known:
        return InputError(
            subject,
            excerpt(given) if wanted else "empty",
            what,
            "the fleet has no IP yet: apply its file first",
        )
    if not wanted:
        return InputError(subject, "empty", f"{what} such as {known[0]}", f"{fill_in}, or choose scope all")
    return InputError(
        subject, excerpt(given), f"{what}: {nearest(known, wanted)}", f"{fill_in} and start again"
    )


def nearest(known: Sequence[str], wanted: str) -> str:
    """What may have been meant: the nearest of the known names, else the first of them and how many more there are."""
    near = get_close_matches(wanted, known, n=3) if len(wanted) <= LONGEST_SHOWN else []
    if not near:  # a stream without its tenant, or a part of a name
        near = [name for name in known if wanted and name.endswith(f"/{wanted}")][:3]
    if near:
        return f"{' or '.join(near)} (did you mean {'one of these' if len(near) > 1 else 'that'}?)"
    more = len(known) - NAMED
    return (
        f"one of {', '.join(known[:NAMED])}" + (f" and {more} more" if more > 0 else "")
        if known
        else "a name of the fleet"
    )


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
    wanted = _as_known(scope, (name or "").strip().lower())
    chosen = tuple(r for r in records if names[scope](r) == wanted)
    if not chosen:
        raise _unknown(scope, name, wanted, list(dict.fromkeys(map(names[scope], records))))
    if any(r.mode is Mode.OBSERVE for r in chosen):
        raise InputError(
            f"{scope} {wanted}", "its tenant is in mode observe", "a tenant in mode act",
            "set `mode: act` in the fleet file and run warmup_advance, or stop the mail in PowerMTA and MailWizz by hand",
        )  # fmt: skip
    return chosen
