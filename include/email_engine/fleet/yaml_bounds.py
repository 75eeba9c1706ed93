"""How deep and how large a file may be, told before anything of it is kept in memory or expanded."""

from __future__ import annotations

import yaml

from email_engine.fleet.yaml_mistakes import Explained

DEEPEST = 100
"""Levels of lists and mappings in a file: the C loader dies of very many."""
LARGEST_DOCUMENT = 100_000
"""Keys and values of a file, those that an alias repeats counted each time: about 4,000 IPs that are written one by one."""
_COUNTED_TO = 10**15


def too_much(text: str, loader: type[yaml.SafeLoader]) -> Explained | None:
    """Where the file goes deeper or has more than it may; None if it never does. Raises the parser's errors."""
    depth = count = 0
    for event in yaml.parse(text, Loader=loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.NodeEvent):
            count += 1
            if count > LARGEST_DOCUMENT:
                return _refused(line, f"more than {LARGEST_DOCUMENT:,} keys and values")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                return Explained(line, f"more than {DEEPEST} levels deep", f"at most {DEEPEST} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


def too_much_by_aliases(top: yaml.Node | None) -> Explained | None:
    """The same for what aliases repeat, at the first node that is too large: the size of each node is worked out once and
    added wherever it stands again."""
    return _Sizes().look(top) if top is not None else None


class _Sizes:
    def __init__(self) -> None:
        self._known: dict[int, int | None] = {}
        self._refused: Explained | None = None

    def look(self, top: yaml.Node) -> Explained | None:
        self._of(top)
        return self._refused

    def _of(self, node: yaml.Node) -> int:
        """Keys and values in a node, itself included."""
        if id(node) in self._known:
            known = self._known[id(node)]
            if known is None:
                seen = "an alias repeats something that it stands in"
                self._refused = self._refused or Explained(
                    node.start_mark.line + 1, seen, "an alias of something before it"
                )
            return known or 1
        self._known[id(node)] = None
        total = 1
        for item in node.value if isinstance(node, yaml.CollectionNode) else ():
            total += sum(map(self._of, item)) if isinstance(item, tuple) else self._of(item)
        total = min(total, _COUNTED_TO)
        self._known[id(node)] = total
        if total > LARGEST_DOCUMENT and self._refused is None:
            many = f"{total:,}" if total < _COUNTED_TO else f"more than {_COUNTED_TO:,}"
            self._refused = _refused(
                node.start_mark.line + 1, f"{many} keys and values once its aliases are followed"
            )
        return total


def _refused(line: int, seen: str) -> Explained:
    return Explained(line, seen, f"at most {LARGEST_DOCUMENT:,}")
