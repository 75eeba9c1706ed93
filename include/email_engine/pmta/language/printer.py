"""A tree to text: indented by its blocks, every node on the line where it stood."""

from email_engine.pmta.language.tree import Block, Comment, Directive, Document, Node, Unreadable

INDENT = "  "


def print_document(document: Document) -> str:
    """The text of a tree; `parse(print_document(tree)) == tree`. Nodes without a line of their own follow in order."""
    lines: list[str] = []
    _items(document.root, 0, "", lines)
    lines += [""] * (document.root.height - len(lines))
    return "".join(f"{line}\n" for line in lines)


def _items(block: Block, base: int, indent: str, lines: list[str]) -> None:
    for node in block.items:
        line = base + node.offset
        while len(lines) < line - 1:
            lines.append("")
        _node(node, indent, lines)


def _node(node: Node, indent: str, lines: list[str]) -> None:
    match node:
        case Directive():
            lines.append(indent + _commented(f"{node.name} {node.value}".strip(), node.comment))
        case Comment():
            lines.append(f"{indent}#{node.text}".rstrip())
        case Unreadable():
            lines.append(indent + node.text)
        case Block():
            base = len(lines) + 1
            head = f"<{node.tag} {node.argument}>" if node.argument else f"<{node.tag}>"
            lines.append(indent + _commented(f"{node.lead} {head}".strip(), node.comment))
            _items(node, base, indent + INDENT, lines)
            if node.closed:
                while len(lines) < base + node.height - 1:
                    lines.append("")
                tail = f"</{node.tag} {node.closing}>" if node.closing else f"</{node.tag}>"
                lines.append(indent + _commented(tail, node.closing_comment))


def _commented(text: str, comment: str | None) -> str:
    return text if comment is None else f"{text} #{comment}".rstrip()
