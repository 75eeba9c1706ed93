"""A configuration read to a tree and printed again is the same tree, whatever stands in it."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from email_engine.pmta.language.parse import parse, raw_lines
from email_engine.pmta.language.printer import print_document
from email_engine.pmta.language.tree import Block, Comment, Directive, Unreadable, walk

OPERATORS_OWN = """\ufeff# our PowerMTA\r
postmaster ops@example.com  # who is asked
smtp-listener 10.0.0.5:2525 source=app\r

domain-macro big gmail.com,yahoo.com
<source 10.0.0.0/8>
\talways-allow-relaying\tyes
  pattern-list routes
</source>  # inside
<pattern-list routes>
  mail-from /@a\\.example$/ virtual-mta=v1
  rcpt-to /@b/ <pattern-list>
    mail-from /x y/ virtual-mta=v2
    * virtual-mta=v1
  </pattern-list>
</pattern-list>
<domain [*.]example.org>
  max-msg-rate 83/10m
</domain>
<domain [192.0.2.0/24]>
</domain>
<bounce-category-patterns>
  /spam or virus/ spam-related
  // other
</bounce-category-patterns>
smtp-listener 0.0.0.0:2525 {
}
<domain open-to-the-end>
  retry-after 10m,1h
"""
lines = st.one_of(
    st.sampled_from(OPERATORS_OWN.splitlines()),
    st.sampled_from(
        [
            "<domain *>",
            "  <domain *>",
            "</domain>",
            "  </domain>",
            "<source 1>",
            "</source>",
            "<",
            "</",
            "#",
            "",
        ]
    ),
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=30),
)


def test_a_node_knows_its_line() -> None:
    tree = parse(OPERATORS_OWN)
    found = {node.name: line for line, _, node in walk(tree.root) if isinstance(node, Directive)}
    assert found["postmaster"] == 2
    assert found["pattern-list"] == 8
    assert found["max-msg-rate"] == 18
    assert found["retry-after"] == 29


def test_comments_blanks_and_tabs_are_no_part_of_a_value() -> None:
    tree = parse(OPERATORS_OWN)
    assert Directive("postmaster", "ops@example.com", 2, "who is asked".rjust(13)) in tree.root.items
    assert Comment(" our PowerMTA", 1) in tree.root.items
    source = next(tree.root.blocks("source"))
    assert source.value("always-allow-relaying") == "yes"
    assert source.closing_comment == " inside"


def test_a_name_behind_a_closing_tag_is_kept() -> None:
    tree = parse("<domain a.example>\n  max-smtp-out 2\n</domain b.example> # end\n")
    (block,) = tree.root.blocks("domain")
    assert (block.closed, block.closing, block.closing_comment) == (True, "b.example", " end")
    assert parse(print_document(tree)) == tree


def test_a_pattern_opens_a_nested_list() -> None:
    routes = next(parse(OPERATORS_OWN).root.blocks("pattern-list"))
    nested = next(routes.blocks("pattern-list"))
    assert nested.lead == "rcpt-to /@b/"
    assert [d.name for d in nested.directives()] == ["mail-from", "*"]


def test_lines_of_bounce_patterns_have_no_keyword() -> None:
    block = next(parse(OPERATORS_OWN).root.blocks("bounce-category-patterns"))
    assert [(d.name, d.value) for d in block.directives()] == [
        ("", "/spam or virus/ spam-related"),
        ("", "// other"),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("</domain>", "closes nothing that is open here"),
        ("<domain *", "is not a tag"),
        ("<>", "is not a tag"),
        ("<domain a> x", "is not a tag"),
    ],
)
def test_what_cannot_be_read_stays_in_the_tree(text: str, problem: str) -> None:
    assert parse(text).root.items == (Unreadable(text, problem, 1),)


def test_a_block_that_an_outer_one_cuts_off_is_not_closed() -> None:
    tree = parse("<virtual-mta v>\n<domain *>\ndkim-sign yes\n</virtual-mta>\npostmaster a@b\n")
    vmta = next(tree.root.blocks("virtual-mta"))
    assert vmta.closed
    assert not next(vmta.blocks("domain")).closed
    assert tree.root.value("postmaster") == "a@b"


@pytest.mark.parametrize("line", ["<domain a>", "<pattern-list a>\nmail-from /x/ <pattern-list>"])
def test_blocks_in_blocks_end_somewhere(line: str) -> None:
    tree = parse(f"{line}\n" * 5000)
    deepest = [node for _, _, node in walk(tree.root) if isinstance(node, Unreadable)]
    assert {node.problem for node in deepest} == {"stands in too many blocks"}
    assert parse(print_document(tree)) == tree


def test_blocks_with_the_same_text_are_one_object() -> None:
    one = "<virtual-mta {}>\n  <domain *>\n    dkim-sign yes\n  </domain>\n</virtual-mta>\n"
    first, second = parse(one.format("a") + one.format("b")).root.items
    assert isinstance(first, Block)
    assert isinstance(second, Block)
    assert first.items[0] is second.items[0]


def test_the_operators_file_survives_a_round() -> None:
    tree = parse(OPERATORS_OWN)
    assert parse(print_document(tree)) == tree


@settings(max_examples=400, deadline=None)
@example([" "])
@given(st.lists(lines, max_size=40))
def test_any_text_survives_a_round(chosen: list[str]) -> None:
    tree = parse("\n".join(chosen))
    assert parse(print_document(tree)) == tree


@pytest.mark.parametrize("closing", ["</domain>", "</Domain>", "</DOMAIN >", "</ domain>  # end"])
def test_a_closing_tag_may_be_spelled_otherwise(closing: str) -> None:
    (block,) = parse(f"<Domain a.example>\nretry-after 1h\n{closing}\n").root.blocks()
    assert block.closed
    assert block.tag == "Domain", "as it is written"


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab#\r\n\u2028\x0b\x85\ufeff"), max_size=30))
@example("a\r\n\rb\n")
def test_the_lines_are_those_that_the_tree_counts(text: str) -> None:
    lines = raw_lines(text)
    assert "".join(lines) == text
    for number, _, node in walk(parse(text).root):
        if isinstance(node, Directive):
            assert node.name in lines[number - 1]
