"""What a deployment would change on one host: structure for the guard, a summary for people, a diff for the record."""

import difflib
import re
from dataclasses import dataclass

from email_engine.mta.inventory import read_inventory
from email_engine.mta.layout import digest

LISTED = 10
_SECRET = re.compile(r"(?i)^([-+ ]?\s*(?:\S*password|http-api-key)\s+)\S.*")
HIDDEN = r"\1(hidden)"


@dataclass(frozen=True, slots=True)
class CapChange:
    """A virtual MTA's cap as written; None: there was none."""

    vmta: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        return f"vmta {self.vmta}: cap {self.old or 'none'} -> {self.new or 'none'}"


@dataclass(frozen=True, slots=True)
class PoolChange:
    pool: str
    joined: tuple[str, ...]
    left: tuple[str, ...]
    vanished: bool = False

    def __str__(self) -> str:
        words = [f"- {name}" for name in self.left] + [f"+ {name}" for name in self.joined]
        return f"pool {self.pool}: {'disappears, ' if self.vanished else ''}{', '.join(words)}"


@dataclass(frozen=True, slots=True)
class DeployPlan:
    """`old_digest` None: no file there yet. `changed_vmtas`: those whose lines differ, without added and removed."""

    host: str
    old_digest: str | None
    new_digest: str
    old_vmtas: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed_vmtas: tuple[str, ...]
    caps: tuple[CapChange, ...]
    pools: tuple[PoolChange, ...]
    rest_changed: bool
    diff: str

    @property
    def changed(self) -> bool:
        return self.old_digest != self.new_digest

    @property
    def summary(self) -> str:
        """One line for XCom, alerts and the log; at most some ten items are named."""
        if not self.changed:
            return f"{self.host}: unchanged"
        items = [
            *(f"vmta {name} disappears" for name in self.removed),
            *map(str, self.caps),
            *(f"vmta {name} is new" for name in self.added),
            *map(str, self.pools),
        ]
        named = {cap.vmta for cap in self.caps}
        items += [f"vmta {name}: settings" for name in self.changed_vmtas if name not in named]
        items += ["settings of the whole host"] if self.rest_changed else []
        more = f"; and {len(items) - LISTED} more" if len(items) > LISTED else ""
        return f"{self.host}: " + ("; ".join(items[:LISTED]) + more if items else "comments only")


def plan_deployment(host: str, running: str | None, wanted: str) -> DeployPlan:
    """Compares what stands on the host with what is wanted."""
    before, after = read_inventory(running or ""), read_inventory(wanted)
    common = [name for name in after.vmtas if name in before.vmtas]
    changed = tuple(name for name in common if before.vmtas[name].lines != after.vmtas[name].lines)
    caps = tuple(
        CapChange(name, before.vmtas[name].cap, after.vmtas[name].cap)
        for name in changed
        if before.vmtas[name].cap != after.vmtas[name].cap
    )
    return DeployPlan(
        host=host,
        old_digest=None if running is None else digest(running),
        new_digest=digest(wanted),
        old_vmtas=len(before.vmtas),
        added=tuple(name for name in after.vmtas if name not in before.vmtas),
        removed=tuple(name for name in before.vmtas if name not in after.vmtas),
        changed_vmtas=changed,
        caps=caps,
        pools=_pools(before.pools, after.pools),
        rest_changed=before.rest != after.rest,
        diff=_diff(running or "", wanted),
    )


def _pools(before: dict[str, tuple[str, ...]], after: dict[str, tuple[str, ...]]) -> tuple[PoolChange, ...]:
    changes = []
    for pool in [*after, *(name for name in before if name not in after)]:
        old, new = before.get(pool, ()), after.get(pool, ())
        joined, left = tuple(n for n in new if n not in old), tuple(n for n in old if n not in new)
        if joined or left:
            changes.append(PoolChange(pool, joined, left, vanished=pool not in after))
    return tuple(changes)


def _diff(old: str, new: str) -> str:
    """Unified, block by block: a whole-file diff is quadratic, and nobody reads context from another virtual MTA."""
    before, after = _chunks(old), _chunks(new)
    parts = []
    for title in [*after, *(one for one in before if one not in after)]:
        left, right = before.get(title, []), after.get(title, [])
        if left != right:
            lines = difflib.unified_diff(left, right, n=2, lineterm="")
            parts += [f"@@ {title}", *(one for one in lines if not one.startswith(("---", "+++", "@@")))]
    return "".join(f"{_SECRET.sub(HIDDEN, one)}\n" for one in parts)


def _chunks(text: str) -> dict[str, list[str]]:
    """Lines by the block at top level that they stand in; what stands between blocks goes to `outside of blocks`."""
    chunks: dict[str, list[str]] = {}
    title = None
    for line in text.splitlines():
        if title is None and line.startswith("<"):
            title = line
        chunks.setdefault(title or "outside of blocks", []).append(line)
        if title and line.startswith(f"</{title[1:].split(maxsplit=1)[0].rstrip('>')}>"):
            title = None
    return chunks
