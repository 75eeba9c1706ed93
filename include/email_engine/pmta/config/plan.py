"""What a deployment would change on one host: meaning for the guard and for people, lines for the record."""

import difflib
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from email_engine.errors import InputError
from email_engine.plural import amount
from email_engine.pmta.config.edits import Source
from email_engine.pmta.config.inventory import opening_of
from email_engine.pmta.config.layout import digest, split_sections
from email_engine.pmta.config.rates import is_daily
from email_engine.pmta.language.compare import ConfigChange, ConfigChangeKind, compare, lines_for_people
from email_engine.pmta.language.compare import is_raise as rate_rises
from email_engine.pmta.language.redaction import redact
from email_engine.pmta.language.tree import Block

LISTED = 10
LONGEST = 200
CAP = "cap"
"""How `compare` names `max-smtp-msg-rate` of a virtual MTA."""
RATES = frozenset({"max-msg-rate", "backoff-max-msg-rate", "max-connect-rate", "max-smtp-out"})
BOUNDS = ("max-msg-rate", "backoff-max-msg-rate")
_VMTA, _POOL = "vmta ", "pool "
Chunks = dict[str, list[str]]
OUTSIDE = "outside of blocks"


@dataclass(frozen=True, slots=True)
class Touched:
    """Lines that differ in one block at top level (or outside of blocks); `vmta`, `pool`: whose block it is."""

    title: str
    lines: int
    vmta: str | None = None
    pool: str | None = None


@dataclass(frozen=True, slots=True)
class DeployPlan:
    """`old_digest` None: no file there yet. `sections`: tenants whose part differs in meaning or text, None: the host's.
    `misplaced`: virtual MTAs that go and stood where none may stand, such as in a block that nothing closes.

    `old_lines` counts lines that are neither empty nor comments, as `touched` does."""

    host: str
    old_digest: str | None
    new_digest: str
    changes: tuple[ConfigChange, ...]
    sections: frozenset[str | None]
    old_lines: int
    touched: tuple[Touched, ...]
    diff: str
    misplaced: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.old_digest != self.new_digest

    @property
    def added(self) -> tuple[str, ...]:
        """Virtual MTAs that come."""
        return self._came_or_went(_VMTA, ConfigChangeKind.ADDED)

    @property
    def removed(self) -> tuple[str, ...]:
        """Virtual MTAs that go."""
        return tuple(dict.fromkeys((*self._came_or_went(_VMTA, ConfigChangeKind.REMOVED), *self.misplaced)))

    @property
    def pools_removed(self) -> tuple[str, ...]:
        """Pools that go."""
        return self._came_or_went(_POOL, ConfigChangeKind.REMOVED)

    @property
    def changed_vmtas(self) -> tuple[str, ...]:
        """Virtual MTAs that say something else, without those that come or go."""
        moved = {*self.added, *self.removed}
        names = (_named(_VMTA, change) for change in self.changes)
        return tuple(dict.fromkeys(name for name in names if name and name not in moved))

    @property
    def raised(self) -> tuple[str, ...]:
        """Virtual MTAs whose cap is higher than before, or that have none any more."""
        found = (_named(_VMTA, c) for c in self.changes if c.setting == CAP and rate_rises(c))
        return tuple(dict.fromkeys(name for name in found if name))

    def raised_rates(self, given: Collection[str] = ()) -> tuple[str, ...]:
        """Where more may leave by another limit than an IP's cap, as people read it; without the providers of which the
        virtual MTAs `given` had only a part of their allowance."""
        found = (change for change in self.changes if change.setting != CAP and rate_rises(change))
        return tuple(
            lines_for_people(tuple(c for c in found if not (is_bound(c) and _named(_VMTA, c) in given)))
        )

    def members_left(self, pool: str) -> frozenset[str]:
        """Members that a pool loses, all of them where it goes."""
        lost: set[str] = set()
        for change in self.changes:
            if change.subject == _POOL + pool and change.setting in (None, "virtual-mta"):
                lost |= set(change.old)
        return frozenset(lost)

    @property
    def summary(self) -> str:
        """One line for XCom, alerts and the log; at most some ten items are named."""
        if not self.changed:
            return f"{self.host}: unchanged"
        items = lines_for_people(tuple(sorted(self.changes, key=_sending_first)))
        more = f"; and {len(items) - LISTED} more" if len(items) > LISTED else ""
        return f"{self.host}: " + ("; ".join(items[:LISTED]) + more if items else "comments only")

    @property
    def counted(self) -> str:
        """How much of what, in words: `3 caps lowered, 1 virtual MTA added`."""
        kinds = Counter(self._kind(change) for change in self.changes)
        moved = {
            c.subject for c in self.changes if c.setting == "virtual-mta" and c.subject.startswith(_POOL)
        }
        counts = (
            (kinds["cap lowered"], "cap", "lowered"),
            (kinds["cap raised"], "cap", "raised"),
            (kinds["rate lowered"], "provider rate", "lowered"),
            (kinds["rate raised"], "provider rate", "raised"),
            (len(self.added), "virtual MTA", "added"),
            (len(self.removed), "virtual MTA", "removed"),
            (len(self._came_or_went(_POOL, ConfigChangeKind.ADDED)), "pool", "added"),
            (len(self.pools_removed), "pool", "removed"),
            (len(moved), "pool", "with other members"),
            (kinds["other"], "other setting", "changed"),
        )
        told = [f"{amount(number, thing)} {what}" for number, thing, what in counts if number]
        return ", ".join(told) or ("comments only" if self.changed else "unchanged")

    @property
    def details(self) -> tuple[str, ...]:
        """Lines for people, what is of the whole host first; many equal ones as one, long ones cut, at most some ten."""
        items = lines_for_people(tuple(sorted(self.changes, key=_sending_first)))
        more = [f"and {len(items) - LISTED} more"] if len(items) > LISTED else []
        cut = (item if len(item) <= LONGEST else f"{item[:LONGEST]}..." for item in items[:LISTED])
        return (*cut, *more)

    @staticmethod
    def _kind(change: ConfigChange) -> str:
        """How `counted` calls it; empty for what it counts by blocks."""
        if change.setting == CAP or change.setting in RATES or is_bound(change):
            what = "cap" if change.setting == CAP else "rate"
            return f"{what} {'raised' if rate_rises(change) else 'lowered'}"
        of_pool = change.subject.startswith(_POOL)
        block = change.setting is None and not change.inside and change.subject.startswith((_VMTA, _POOL))
        return "" if block or (of_pool and change.setting == "virtual-mta") else "other"

    def unexplained_lines(self, decided: Collection[str]) -> int:
        """Lines that differ and belong to nothing that was decided: `decided` names virtual MTAs."""
        return sum(one.lines for one in self.touched if not self._explained(one, decided))

    def _explained(self, one: Touched, decided: Collection[str]) -> bool:
        if one.vmta is not None:
            return one.vmta in decided
        if one.pool is None:
            return False
        of_pool = [c for c in self.changes if c.subject == _POOL + one.pool]
        moved = {name for change in of_pool for name in (*change.old, *change.new)}
        return all(change.setting in (None, "virtual-mta") for change in of_pool) and moved <= set(decided)

    def _came_or_went(self, tag: str, kind: ConfigChangeKind) -> tuple[str, ...]:
        found = (
            _named(tag, c) for c in self.changes if c.kind is kind and c.setting is None and not c.inside
        )
        return tuple(name for name in found if name)


def is_bound(change: ConfigChange) -> bool:
    """Was it an IP's allowance at a mailbox provider? Those alone are rates for a day (`60/d`)."""
    if not change.subject.startswith(_VMTA) or not change.inside.startswith("domain ") or not change.old:
        return False
    if change.setting is None:
        words = (told.split() for told in change.old)
        return all(len(pair) == 2 and pair[0] in BOUNDS and is_daily(pair[1]) for pair in words)
    return change.setting in BOUNDS and all(is_daily(rate) for rate in change.old)


def _sending_first(change: ConfigChange) -> bool:
    return not change.subject.startswith((_VMTA, _POOL))


def _named(tag: str, change: ConfigChange) -> str | None:
    return change.subject.removeprefix(tag) if change.subject.startswith(tag) else None


def plan_deployment(host: str, running: str | None, wanted: str) -> DeployPlan:
    """Compares what stands on the host with what is wanted."""
    old = running or ""
    plan = DeployPlan(
        host=host,
        old_digest=None if running is None else digest(running),
        new_digest=digest(wanted),
        changes=(),
        sections=_sections(old, wanted),
        old_lines=sum(_counts(line) for line in old.splitlines()),
        touched=(),
        diff="",
    )
    if old == wanted:
        return plan
    before, after = Source.of(old), Source.of(wanted)
    differing = tuple(_differing(_chunks(before), _chunks(after)))
    top = {opening_of(block) for block in before.assembly.main.root.blocks()}
    return replace(
        plan,
        changes=compare(before.assembly, after.assembly),
        touched=tuple(_touched(title, left, right) for title, left, right in differing),
        diff=_diff(differing),
        misplaced=tuple(
            name
            for name in before.inventory.vmtas
            if name not in after.inventory.vmtas and f"<virtual-mta {name}>" not in top
        ),
    )


def _sections(old: str, wanted: str) -> frozenset[str | None]:
    try:
        before = split_sections(old)
    except InputError:
        before = {}
    after = split_sections(wanted)
    keys = {*before, *after}
    return frozenset(key for key in keys if _essence(before.get(key, "")) != _essence(after.get(key, "")))


def _essence(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if _counts(line)]


def _counts(line: str) -> bool:
    text = line.strip()
    return bool(text) and not text.startswith("#")


def _touched(title: str, before: list[str], after: list[str]) -> Touched:
    old, new = [line for line in before if _counts(line)], [line for line in after if _counts(line)]
    same = sum(
        block.size for block in difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    )
    tag, _, name = title.strip("<>").partition(" ")
    return Touched(
        title=title,
        lines=max(len(old), len(new)) - same,
        vmta=name if tag == "virtual-mta" else None,
        pool=name if tag == "virtual-mta-pool" else None,
    )


def _differing(before: Chunks, after: Chunks) -> Iterator[tuple[str, list[str], list[str]]]:
    """Block by block: a whole-file diff is quadratic, and nobody reads context from another virtual MTA."""
    for title in [*after, *(one for one in before if one not in after)]:
        left, right = before.get(title, []), after.get(title, [])
        if left != right:
            yield title, left, right


def _diff(differing: tuple[tuple[str, list[str], list[str]], ...]) -> str:
    parts = []
    for title, left, right in differing:
        lines = difflib.unified_diff(left, right, n=2, lineterm="")
        parts += [f"@@ {title}", *(one for one in lines if not one.startswith(("---", "+++", "@@")))]
    return redact("".join(f"{one}\n" for one in parts))


def _chunks(source: Source) -> Chunks:
    """Lines by the block at top level that they stand in; what stands between blocks, or in one that nothing closes, goes to
    `outside of blocks`: it explains nothing."""
    titles = [OUTSIDE] * len(source.lines)
    for line, block in _outermost(source, source.assembly.main.root, 0):
        titles[line - 1 : line + block.height] = [opening_of(block)] * (block.height + 1)
    chunks: Chunks = {}
    for title, text in zip(titles, source.lines, strict=True):
        chunks.setdefault(title, []).append(text.rstrip("\r\n"))
    return chunks


def _outermost(source: Source, block: Block, line: int) -> Iterator[tuple[int, Block]]:
    """The blocks that are whole and hold no virtual MTA or pool that may not stand in them."""
    senders = [number for number, _ in source.inventory.blocks]
    for node in block.blocks():
        first = line + node.offset
        inside = bisect_right(senders, first) < bisect_right(senders, first + node.height)
        if node.closed and not inside:
            yield first, node
        else:
            yield from _outermost(source, node, first)
