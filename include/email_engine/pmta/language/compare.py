"""What changes from one configuration to another, in words: meaning, not text."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from email_engine.pmta.language.assembly import Assembly
from email_engine.pmta.language.meaning import Body, Key, read_meaning
from email_engine.pmta.language.redaction import HIDDEN, redact

_NO_SECRETS = frozenset({"domain-key", "process-x-dkim-key", "retain-x-dkim-key"})
ALIKE = 10
"""From so many subjects with the same change on, people read one line for all of them."""
TOLD = 3
LONGEST = 60
"""So many values, of so many letters at most, are told of a block that comes or goes."""
_LABELS = {"virtual-mta": "vmta", "virtual-mta-pool": "pool"}
_CAP = "max-smtp-msg-rate"


class ConfigChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One difference.

    `subject`: tag and name of the outermost block (`vmta vmta-7`; empty: global); `inside`: blocks within it
    (`domain gmail.com`); `setting` None: the block itself came or went. `old`, `new`: values in one spelling; where a
    directive stands several times, those that went and those that came."""

    kind: ConfigChangeKind
    subject: str
    inside: str
    setting: str | None
    old: tuple[str, ...]
    new: tuple[str, ...]
    repeated: bool = False
    """Does the directive stand several times on one side?"""

    @property
    def place(self) -> str:
        return f"{self.subject}, {self.inside}" if self.inside else self.subject

    @property
    def words(self) -> str:
        """What happens, without to whom."""
        if self.setting is None:
            all_told = self.new or self.old
            more = len(all_told) - TOLD
            short = [one if len(one) <= LONGEST else f"{one[:LONGEST]}..." for one in all_told[:TOLD]]
            told = ", ".join([*short, *([f"and {more} more"] if more > 0 else [])])
            verb = "new" if self.kind is ConfigChangeKind.ADDED else "gone"
            return f"{verb} ({told})" if told else verb
        if self.setting == "virtual-mta":
            return ", ".join([*(f"- {name}" for name in self.old), *(f"+ {name}" for name in self.new)])
        if not self.repeated:
            return f"{self.setting} {', '.join(self.old) or 'none'} -> {', '.join(self.new) or 'none'}"
        if sorted(self.old) == sorted(self.new):
            return f"{self.setting}: other order"
        return f"{self.setting}: " + ", ".join([*(f"- {v}" for v in self.old), *(f"+ {v}" for v in self.new)])

    def __str__(self) -> str:
        return f"{self.place}: {self.words}" if self.place else self.words

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"text": str(self)}


def compare(old: Assembly, new: Assembly) -> tuple[ConfigChange, ...]:
    """Every difference in meaning: subjects that went, then the rest in the order of the new configuration."""
    return compare_meanings(read_meaning(old), read_meaning(new))


def compare_meanings(old: Body, new: Body) -> tuple[ConfigChange, ...]:
    """Like `compare`, for what was read already."""
    return tuple(_body(old, new, "", ""))


def _body(old: Body, new: Body, subject: str, inside: str) -> Iterator[ConfigChange]:
    if old is new:
        return
    changes = list(_settings(old.settings, new.settings, subject, inside))
    yield from changes
    if not any(sorted(one.old) == sorted(one.new) for one in changes) and _stays(old, new) != _stays(
        new, old
    ):
        both = (_stays(old, new), _stays(new, old))
        yield ConfigChange(ConfigChangeKind.CHANGED, subject, inside, "lines", *both, repeated=True)
    if old.blocks == new.blocks:
        return
    before, after = _by_domain(old.blocks, new.blocks)
    for key in before:
        if key not in after:
            yield _block(ConfigChangeKind.REMOVED, key, before[key], subject, inside)
    for key, body in after.items():
        if key not in before:
            yield _block(ConfigChangeKind.ADDED, key, body, subject, inside)
        elif body != before[key]:
            yield from _body(before[key], body, *_below(key, subject, inside))


def _stays(here: Body, there: Body) -> tuple[str, ...]:
    """Lines of a pattern list that stand on both sides, in their order here."""
    common = set(there.order)
    return tuple(line for line in here.order if line in common)


def _by_domain(
    old: Mapping[Key, Body], new: Mapping[Key, Body]
) -> tuple[Mapping[Key, Body], Mapping[Key, Body]]:
    """Where both sides group domains differently, each domain by itself: a macro and its domains written out are one."""
    if all(key in new for key in old if key[0] == "domain") and all(
        key in old for key in new if key[0] == "domain"
    ):
        return old, new
    return _apart(old, new), _apart(new, old)


def _apart(blocks: Mapping[Key, Body], other: Mapping[Key, Body]) -> dict[Key, Body]:
    found: dict[Key, Body] = {}
    written_out = {key for key in blocks if key[0] == "domain" and ", " not in key[1]}
    for key, body in blocks.items():
        if key[0] != "domain" or key in other:
            found[key] = body
            continue
        for domain in key[1].split(", "):
            if ("domain", domain) == key or ("domain", domain) not in written_out:
                found[("domain", domain)] = body
    return found


def _below(key: Key, subject: str, inside: str) -> tuple[str, str]:
    tag, argument = key
    name = redact(f"{_LABELS.get(tag, tag)} {argument}".strip())
    if not subject:
        return name, ""
    return subject, f"{inside}, {name}" if inside else name


def _block(kind: ConfigChangeKind, key: Key, body: Body, subject: str, inside: str) -> ConfigChange:
    subject, inside = _below(key, subject, inside)
    told = tuple(_told(key[0], body))
    empty: tuple[str, ...] = ()
    old, new = (empty, told) if kind is ConfigChangeKind.ADDED else (told, empty)
    return ConfigChange(kind, subject, inside, None, old, new)


def _told(tag: str, body: Body) -> Iterator[str]:
    """What a person wants to know of a block that comes or goes."""
    if tag == "virtual-mta":
        yield from body.settings.get("smtp-source-host", ())
        yield from (f"cap {value}" for value in body.settings.get(_CAP, ()))
    elif tag == "virtual-mta-pool":
        yield from body.settings.get("virtual-mta", ())
    else:
        for name, values in body.settings.items():
            yield from (f"{name} {_shown(name, value)}".strip() for value in values)


def _settings(
    old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]], subject: str, inside: str
) -> Iterator[ConfigChange]:
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name, ()), new.get(name, ())
        if before == after:
            continue
        kind = (
            ConfigChangeKind.CHANGED
            if before and after
            else ConfigChangeKind.ADDED
            if after
            else ConfigChangeKind.REMOVED
        )
        label = "cap" if name == _CAP and subject.startswith("vmta ") and not inside else redact(name)
        repeated = len(before) > 1 or len(after) > 1
        yield ConfigChange(kind, subject, inside, label, *_difference(name, before, after), repeated)


def _difference(
    name: str, before: tuple[str, ...], after: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Single values as they are; of several only those that went and came, all of them if it is the order alone."""
    if len(before) > 1 or len(after) > 1:
        gone = tuple(value for value in before if value not in after)
        come = tuple(value for value in after if value not in before)
        if gone or come:
            before, after = gone, come
    return tuple(_shown(name, v) for v in before), tuple(_shown(name, v) for v in after)


def _shown(name: str, value: str) -> str:
    if "key" in name.lower().split("-") and name not in _NO_SECRETS:
        return HIDDEN
    return redact(f"{name} {value}").removeprefix(f"{name} ")


def lines_for_people(changes: tuple[ConfigChange, ...]) -> list[str]:
    """One line a change; where many subjects, or many domains of a subject, change alike, one line for all of them."""
    groups: dict[tuple[str, str, str], list[ConfigChange]] = {}
    for change in changes:
        groups.setdefault(_likeness(change), []).append(change)
    rows: dict[tuple[str, str, str], None] = {}
    for change in changes:
        kind, inside, words = likeness = _likeness(change)
        alike = groups[likeness]
        if len(alike) < ALIKE:
            rows[change.subject, inside, change.words] = None
            continue
        first, last = (one.subject.partition(" ")[2] for one in (alike[0], alike[-1]))
        rows[f"{len(alike)} {kind}s ({first} ... {last})", inside, words] = None
    domains: dict[tuple[str, str], list[str]] = {}
    for who, inside, words in rows:
        if inside.startswith("domain "):
            domains.setdefault((who, words), []).extend(inside.removeprefix("domain ").split(", "))
    lines: dict[str, None] = {}
    for who, inside, words in rows:
        those = domains.get((who, words), []) if inside.startswith("domain ") else []
        if len(those) >= ALIKE:
            inside = f"{len(those)} domains ({those[0]} ... {those[-1]})"
        place = ", ".join(part for part in (who, inside) if part)
        lines[f"{place}: {words}" if place else words] = None
    return list(lines)


def _likeness(change: ConfigChange) -> tuple[str, str, str]:
    words = change.words
    if change.setting is None and not change.inside:
        words = words.partition(" ")[0]
    return change.subject.partition(" ")[0], change.inside, words


_RATES = frozenset(
    {"cap", "max-smtp-msg-rate", "max-msg-rate", "backoff-max-msg-rate", "max-connect-rate", "max-smtp-out"}
)
_A_DAY = {"d": 1, "h": 24, "m": 1_440, "s": 86_400}


def is_raise(change: ConfigChange) -> bool:
    """May more mail leave afterwards, as far as a limit says? A limit that goes is a raise, a new one is none."""
    if change.kind is ConfigChangeKind.REMOVED and change.setting is None and change.inside:
        return any(told.partition(" ")[0] in _RATES for told in change.old)
    if change.setting not in _RATES:
        return False
    before, after = _largest(change.old), _largest(change.new)
    return bool(change.old) and after > before


def _largest(values: tuple[str, ...]) -> float:
    return max(map(_a_day, values), default=float("inf"))


def _a_day(rate: str) -> float:
    """Messages a day that a rate allows; without a unit it is a number to compare with others like it."""
    amount, slash, window = rate.partition("/")
    if not amount.isdecimal():
        return float("inf")
    if not slash:
        return float(amount)
    every = window[:-1]
    return int(amount) * _A_DAY.get(window[-1:], 86_400) / int(every or 1)
