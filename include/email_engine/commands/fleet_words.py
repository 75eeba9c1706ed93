"""`email-engine fleet status` for people: at most 80 columns, those first that need a look, the rest summed up."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from email_engine.fleet.model import SENDING_STATES, IpState
from email_engine.plural import amount, brief
from email_engine.store.judgement.forecasts import Standing

COLUMNS = 80
NAMED = 10
"""IPs of one trouble that are named without `--all`."""
LONGEST_NAME = 40
LONGEST_REASON = 220
_TROUBLES = ("in quarantine", "braked", "paused", "listed", "suspended at a provider", "held")


def status_words(found: Sequence[Standing], every: bool = False) -> str:
    """Exceptions, then what each stream has in each state and phase; with `every`, a row for each IP instead of that."""
    tenants = {standing.ip.tenant for standing in found}
    troubled = [(standing, trouble) for standing in found if (trouble := trouble_of(standing))]
    counts = Counter(trouble for _, trouble in troubled)
    told = ", ".join(f"{counts[name]} {name}" for name in _TROUBLES if counts[name])
    head = f"{amount(len(found), 'IP')} of {amount(len(tenants), 'tenant')}: {told or 'none needs a look'}"
    lines = [*_fit(head)]
    for name in _TROUBLES:
        standings = [standing for standing, trouble in troubled if trouble == name]
        if not standings:
            continue
        lines += ["", *_fit(f"{name.capitalize()}: {amount(len(standings), 'IP')}")]
        shown = standings if every else standings[:NAMED]
        for standing in shown:
            lines += _exception(standing)
        if len(standings) > len(shown):
            lines.append(f"  ... and {len(standings) - len(shown)} more; --all names them")
    for stream, standings in _by_stream(found).items():
        lines += ["", *_fit(f"{stream}: {amount(len(standings), 'IP')}")]
        lines += _rows(standings) if every else _summed(standings)
    if not every and found:
        lines += ["", "--all shows every IP, --json all that is known of each."]
    return "\n".join(lines)


def trouble_of(standing: Standing) -> str | None:
    """The first of `_TROUBLES` that an IP has; None for one that goes its way."""
    ip = standing.ip
    if ip.state is IpState.QUARANTINE:
        return "in quarantine"
    if ip.state is IpState.ABANDONED:
        return None
    if ip.braked and ip.state in SENDING_STATES:
        return "braked"
    if ip.pause is not None and ip.state in SENDING_STATES:
        return "paused"
    if ip.blacklisted_on or ip.domain_listed_on:
        return "listed"
    if standing.suspended:
        return "suspended at a provider"
    return "held" if standing.blocked_by and ip.state is IpState.WARMING else None


def _name(standing: Standing) -> str:
    return f"{brief(standing.ip.tenant, LONGEST_NAME)}/{brief(standing.ip.stream, LONGEST_NAME)}"


def _by_stream(found: Iterable[Standing]) -> dict[str, list[Standing]]:
    streams: dict[str, list[Standing]] = {}
    for standing in sorted(found, key=lambda s: (s.ip.tenant, s.ip.stream)):
        streams.setdefault(_name(standing), []).append(standing)
    return streams


def _fit(text: str, indent: str = "") -> list[str]:
    """Lines of at most 80 columns; what follows the first is indented by four blanks more."""
    return wrap(text, COLUMNS, initial_indent=indent, subsequent_indent=f"{indent}    ")


def _state(standing: Standing) -> str:
    ip = standing.ip
    return f"{ip.state} {ip.phase}" if ip.state is IpState.WARMING else str(ip.state)


def _exception(standing: Standing) -> list[str]:
    ip = standing.ip
    why = standing.blocked_by
    if not why and ip.blacklisted_on:
        why = f"it is on {', '.join(ip.blacklisted_on)}"
    if not why and ip.domain_listed_on:
        why = f"a list of domains holds {', '.join(ip.domain_listed_on)}"
    if standing.suspended:
        held = f"its queues to {', '.join(standing.suspended)} stand still"
        why = f"{why}; {held}" if why else held
    return [
        *_fit(f"{ip.address} {_state(standing)}, {_name(standing)}", "  "),
        *_fit(brief(why or "no reason is stored", LONGEST_REASON), "      "),
    ]


def _summed(standings: Sequence[Standing]) -> Iterator[str]:
    order = {state: n for n, state in enumerate(IpState)}
    groups: dict[str, list[Standing]] = {}
    for standing in sorted(standings, key=lambda s: (order[s.ip.state], s.ip.phase)):
        ip = standing.ip
        phase = f", phase {ip.phase}" if ip.state is IpState.WARMING else ""
        groups.setdefault(f"{ip.state}{phase}", []).append(standing)
    for what, alike in groups.items():
        parts = [f"{len(alike)} {what}"]
        if alike[0].ip.state in SENDING_STATES:
            parts.append(f"{sum(s.ip.allowance for s in alike):,} a day")
            parts += _scores(alike)
        parts += _dates(alike) + _reasons(alike)
        yield from _fit("; ".join(parts), "  ")


def _scores(alike: Sequence[Standing]) -> list[str]:
    known = [s.score for s in alike if s.score is not None]
    unknown = len(alike) - len(known)
    if not known:
        return ["score unknown"]
    low, high = min(known), max(known)
    span = f"score {low}" if low == high else f"score {low} to {high}"
    return [f"{span}, {unknown} unknown" if unknown else span]


def _dates(alike: Sequence[Standing]) -> list[str]:
    days = [s.graduates_on for s in alike if s.graduates_on]
    if not days:
        return []
    first, last = min(days), max(days)
    of = f"{len(days)} graduate" if len(days) > 1 else "1 graduates"
    span = f"{of} on {first}" if first == last else f"{of} from {first} to {last}"
    by = {s.graduates_by for s in alike if s.graduates_on}
    return [f"{span} by the schedule, since no day was decided yet" if by == {"schedule"} else span]


def _reasons(alike: Sequence[Standing]) -> list[str]:
    """What is in the way of those that are no exception, the commonest reason in full."""
    if alike[0].ip.state not in (IpState.STANDBY, IpState.RESTING):
        return []
    counted = Counter(s.blocked_by for s in alike if s.blocked_by).most_common()
    if not counted:
        return []
    (why, times), more = counted[0], len(counted) - 1
    whose = "" if times == len(alike) else f"{times} of them: "
    return [f"{whose}{why}" + (f" (and {more} other reasons)" if more else "")]


def _rows(standings: Sequence[Standing]) -> Iterator[str]:
    width = max(len(str(s.ip.address)) for s in standings)
    yield f"  {'ip':{width}} {'state':10} {'allowance':>9} {'score':>5} graduates"
    for standing in standings:
        ip, score = standing.ip, "-" if standing.score is None else str(standing.score)
        row = f"  {ip.address!s:{width}} {_state(standing):10} {ip.allowance:>9} {score:>5} {standing.graduates_on or ''}"
        yield row.rstrip()
        bounds = ", ".join(f"at most {n} to {name}" for name, n in sorted(ip.bounds.items()))
        for more in filter(None, (bounds, standing.blocked_by)):
            yield from _fit(more, "      ")
