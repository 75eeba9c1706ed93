"""What has one owner in a fleet: values and where they are used."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from email_engine.fleet.mistakes import MistakePlace, Mistakes
from email_engine.plural import brief


@dataclass(frozen=True, slots=True)
class Use:
    """A value with the tenant and stream that use it; either may be empty."""

    value: Hashable
    tenant: str
    stream: str
    place: MistakePlace


def owned_once(what: str, uses: Iterable[Use], mistakes: Mistakes, once: str = "once") -> None:
    """Each value has one owner; repetitions between the same two places become one mistake. `once`: what is allowed in one stream."""
    first: dict[Hashable, Use] = {}
    repeated: dict[tuple[MistakePlace, MistakePlace], list[tuple[Use, Use]]] = {}
    for use in uses:
        if not use.value:
            continue
        before = first.setdefault(use.value, use)
        if before is not use:
            repeated.setdefault((before.place, use.place), []).append((before, use))
    for (there, here), pairs in repeated.items():
        before, use = pairs[0]
        more = f" and {len(pairs) - 1} more" if len(pairs) > 1 else ""
        seen = f"{what} {brief(str(use.value))}{more}"
        if there == here:
            seen = f"{seen} given more than once by this entry"
            mistakes.add(here, seen, "one for each IP, by {n} in the pattern")
        elif before.tenant != use.tenant:
            seen = f"{seen} shared between tenants: belongs to tenant {before.tenant} ({there.short})"
            mistakes.add(here, seen, "one that no other tenant has")
        elif before.stream != use.stream:
            seen = f"{seen} shared between streams: belongs to stream {before.stream} ({there.short})"
            mistakes.add(here, seen, "one that no other stream has")
        else:
            mistakes.add(here, f"{seen} stands at {there.short} already", once)


def shared(uses: Iterable[Use]) -> Iterable[tuple[Use, Use]]:
    """Each value that was used before: the first use and this one."""
    first: dict[Hashable, Use] = {}
    for use in uses:
        if first.setdefault(use.value, use) is not use:
            yield first[use.value], use
