"""Lines into a YAML file that a person keeps: what stands there stays to the letter, with its comments and its order."""

from collections.abc import Mapping, Sequence

import yaml

from email_engine.errors import InputError

Step = tuple[str, str]
"""`(key, name)`: in the list under `key`, the item whose `name` is this."""


def append_item(text: str, source: str, steps: Sequence[Step], key: str, lines: Sequence[str]) -> str:
    """`text` with an item behind the last one of the list `key`, below `steps`.

    `lines`: the item without indentation, each line without its end; the first begins with `- `. Line ends are `\\n` in `text`
    and stay so.

    Raises InputError where the place is not there or is not written as a block list: then a person must write the lines."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    node = root
    for list_key, name in steps:
        node = _named(_under(node, list_key), name)
    sequence = _under(node, key)
    if not isinstance(sequence, yaml.SequenceNode) or sequence.flow_style or not sequence.value:
        place = ".".join([*(f"{k}[{n}]" for k, n in steps), key])
        raise InputError(
            source, f"{place} is no list with one entry a line" if sequence is not None else f"{place} is missing",
            "a block list", "write these lines into the file by hand:\n" + "\n".join(lines),
        )  # fmt: skip
    indent = sequence.start_mark.column
    rows = text.split("\n")
    if rows and rows[-1] == "":
        rows.pop()
    at = _behind(rows, _last_line(sequence), indent)
    return (
        "\n".join([*rows[:at], *(f"{' ' * indent}{line}" if line else line for line in lines), *rows[at:]])
        + "\n"
    )


def _under(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if getattr(name, "value", None) == key), None)


def _named(node: yaml.Node | None, name: str) -> yaml.Node | None:
    items = node.value if isinstance(node, yaml.SequenceNode) else ()
    for item in items:
        found = _under(item, "name")
        if isinstance(found, yaml.ScalarNode) and found.value == name:
            return item
    return None


def _last_line(node: yaml.Node) -> int:
    """Of what the node says itself; the marks of block nodes run on over blank lines and comments."""
    if isinstance(node, yaml.ScalarNode) or (isinstance(node, yaml.CollectionNode) and node.flow_style):
        ends_at_line_start = node.end_mark.column == 0 and node.end_mark.line > node.start_mark.line
        return int(node.end_mark.line) - (1 if ends_at_line_start else 0)
    parts: list[yaml.Node] = []
    for item in getattr(node, "value", ()):
        parts += item if isinstance(item, tuple) else [item]
    inside = [_last_line(part) for part in parts if part.start_mark.line >= node.start_mark.line]
    return max(inside, default=int(node.start_mark.line))


def _behind(rows: Sequence[str], last: int, indent: int) -> int:
    """The row behind the item's last one, and behind comments that are indented as parts of it."""
    at = last + 1
    while (
        at < len(rows)
        and rows[at].lstrip().startswith("#")
        and len(rows[at]) - len(rows[at].lstrip()) > indent
    ):
        at += 1
    return at


def block(mapping: Mapping[str, object], indent: int = 0) -> list[str]:
    """A mapping of ready-made scalars (or of mappings, or of lists of mappings) as block lines."""
    lines: list[str] = []
    pad = " " * indent
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            lines += [f"{pad}{key}:", *block(value, indent + 2)]
        elif isinstance(value, list):
            lines.append(f"{pad}{key}:")
            for item in value:
                lines += [f"{pad}  {line}" for line in as_item(item)]
        else:
            lines.append(f"{pad}{key}: {value}")
    return lines


def as_item(mapping: Mapping[str, object]) -> list[str]:
    """The same as an item of a list."""
    first, *rest = block(mapping)
    return [f"- {first}", *(f"  {line}" for line in rest)]
