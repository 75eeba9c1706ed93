"""What a running configuration holds is found however it is spelled, and what may be hidden in it is never absent."""

from ipaddress import ip_address

import pytest

from email_engine.pmta.config.approval_page import vanishing
from email_engine.pmta.config.expected_settings import bounded_queue, queue_rate, read_macros
from email_engine.pmta.config.inventory import read_inventory
from email_engine.pmta.config.plan import plan_deployment
from email_engine.pmta.config.reduce import lowered, only_lowers, only_reductions

PLAIN = """domain-macro big gmail.com,googlemail.com
<virtual-mta a-1>
  smtp-source-host 192.0.2.1 mail1.example
  max-smtp-msg-rate 50/d
  <domain $big>
    max-msg-rate 60/d
  </domain>
</virtual-mta>
<virtual-mta a-2>
  smtp-source-host 192.0.2.2 mail2.example
  max-smtp-msg-rate 70/d
</virtual-mta>
<virtual-mta-pool p>
  virtual-mta a-1
  virtual-mta a-2
</virtual-mta-pool>
"""
ODD = {
    "as the engine writes it": PLAIN,
    "blank in the closing tag": PLAIN.replace("</virtual-mta>", "</virtual-mta >"),
    "blanks in all tags": PLAIN.replace("<virtual-mta", "< virtual-mta\t").replace(">", " >").replace("\t-pool", "-pool"),
    "tabs": PLAIN.replace("  ", "\t").replace("virtual-mta a", "virtual-mta\t \ta").replace("rate ", "rate\t"),
    "indented": "".join(f"   {line}\n" for line in PLAIN.splitlines()),
    "CRLF": PLAIN.replace("\n", "\r\n"),
    "CR alone": PLAIN.replace("\n", "\r"),
    "byte-order mark": "\ufeff" + PLAIN,
    "comments": PLAIN.replace("\n", "  # why\n"),
    "no line break at the end": PLAIN.rstrip("\n"),
    "upper case in tags": PLAIN.replace("<virtual-mta", "<Virtual-MTA").replace("<domain", "<Domain"),
    "upper case in closing tags": PLAIN.replace("</virtual-mta", "</VIRTUAL-MTA").replace("</domain", "</DOMAIN"),
    "upper case in directives": PLAIN.replace("max-", "Max-").replace("smtp-s", "SMTP-S").replace("  virtual-mta", "  Virtual-MTA"),
    "quoted names": PLAIN.replace("a-1>", '"a-1">').replace("virtual-mta a-2\n", 'virtual-mta "a-2"\n').replace("$big>", '"$big">'),
    "quoted values": PLAIN.replace("50/d", '"50/d"').replace("60/d", '"60/d"'),
}  # fmt: skip


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_all_that_stands_there_is_found(text: str) -> None:
    found = read_inventory(text)
    assert {name: block.cap for name, block in found.vmtas.items()} == {"a-1": "50/d", "a-2": "70/d"}
    assert [(b.address, b.hostname) for b in found.vmtas.values()] == [
        ("192.0.2.1", "mail1.example"), ("192.0.2.2", "mail2.example"),
    ]  # fmt: skip
    assert found.pools == {"p": ("a-1", "a-2")}
    assert found.whole
    assert found.may_define("a-1")
    assert not found.may_define("a-3")
    macros = read_macros(text)
    assert macros == {"big": {"gmail.com", "googlemail.com"}}
    assert queue_rate(found.vmtas["a-1"], "gmail.com", macros) == "60/d"
    assert bounded_queue(found.vmtas["a-1"], macros) == ("gmail.com", "60/d")


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_all_of_it_goes_down_and_the_rest_stays_to_the_byte(text: str) -> None:
    wanted = PLAIN.replace("50/d", "5/d").replace("  virtual-mta a-1\n", "")
    reduced = only_reductions(text, wanted)
    line = next(
        line
        for line in text.splitlines(keepends=True)
        if line.split()[-1:] and "a-1" in line and "<" not in line
    )
    assert reduced == text.replace("50/d", "5/d").replace(line, "")
    assert lowered(text, wanted) == {"a-1"}
    assert only_lowers(text, wanted)


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_a_limit_by_provider_goes_down(text: str) -> None:
    wanted = PLAIN.replace("60/d", "6/d")
    reduced = only_reductions(text, wanted)
    assert queue_rate(read_inventory(reduced).vmtas["a-1"], "gmail.com", read_macros(reduced)) == "6/d"


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_a_plan_sees_meaning_and_not_spelling(text: str) -> None:
    plan = plan_deployment(
        "mta-1", text, PLAIN.replace("50/d", "500/d").replace("<virtual-mta a-2>", "<virtual-mta a-9>")
    )
    assert (plan.raised, plan.removed, plan.added) == (("a-1",), ("a-2",), ("a-9",))


A1, A2 = (f"<virtual-mta a-{n}>\nsmtp-source-host 192.0.2.{n} m\nmax-smtp-msg-rate 10/d\n" for n in (1, 2))
END = "</virtual-mta>\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (A1 + A2 + END, "line 1: <virtual-mta a-1> is not closed"),
        (A1 + END + A2, "line 5: <virtual-mta a-2> is not closed"),
        (A1 + A2 + END + END, "line 4: <virtual-mta a-2> stands in <virtual-mta a-1>"),
        ("<domain x>\n" + A1 + END + A2 + END, "line 1: <domain x> is not closed"),
        ("<virtual-mta-pool p>\n" + A1 + END + A2 + END, "line 1: <virtual-mta-pool p> is not closed"),
        (A1 + END + "</domain>\n" + A2 + END, "line 5: `</domain>` closes nothing that is open here"),
        (A1 + END + A2 + END + "<virtual-mta a-3\n", "line 9: `<virtual-mta a-3` is not a tag"),
        (A1 + "<domain *>\n" + END + A2 + END, "line 4: <domain *> is not closed"),
        (A1 + END + "include /etc/pmta/more\n" + A2 + END, "line 5: the text of `include /etc/pmta/more` is not at hand"),
        (A1 + END + A2 + END + "Include more\n", "line 9: the text of `include more` is not at hand"),
        (A1 + END + A2 + END + "<virtual-mta a-3,a-4>\n" + END, "line 9: <virtual-mta a-3,a-4> is not one name"),
        (A1 + END + A2 + END + "<virtual-mta>\n" + END, "line 9: <virtual-mta> is not one name"),
    ],
)  # fmt: skip
def test_what_may_be_hidden_is_never_absent(text: str, why: str) -> None:
    found = read_inventory(text)
    assert why in found.hidden
    assert {"a-1", "a-2"} <= set(found.vmtas), "what can be seen is found all the same"
    assert found.may_define("nobody")
    assert found.may_send("nobody", ip_address("192.0.2.200"))
    assert not found.whole
    assert not found.surely("a-1")
    assert not only_lowers(text, text)
    assert only_reductions(text, text) == text


@pytest.mark.parametrize(
    "inside", ["include /etc/pmta/limits\n", "<domain *>\n  include x\n</domain>\n"], ids=["of it", "of its domain"]
)  # fmt: skip
def test_an_include_of_a_virtual_mta_hides_its_own_part_alone(inside: str) -> None:
    text = "<virtual-mta a-1>\n" + inside + END + A2 + END
    found = read_inventory(text)
    assert (found.hidden, found.unclear) == ((), {"a-1"})
    assert found.may_send("a-1", ip_address("192.0.2.7"))
    assert not found.may_define("a-3")
    assert only_reductions(text, A1 + END + A2.replace("10/d", "2/d") + END) == text.replace("10/d", "2/d")


def test_an_include_where_no_virtual_mta_may_stand_hides_none() -> None:
    assert read_inventory("<source 0/0>\n include x\n</source>\n<domain y>\n include z\n</domain>\n").whole


def test_of_two_definitions_the_higher_cap_counts_and_both_addresses() -> None:
    again = A1.replace("10/d", "30/d").replace("192.0.2.1", "192.0.2.9")
    found = read_inventory(A1 + END + again + END)
    assert found.vmtas["a-1"].cap == "30/d"
    assert found.unclear == {"a-1"}
    assert read_inventory(A1 + END + "<virtual-mta a-1>\n" + END).vmtas["a-1"].cap is None
    assert all(found.may_send("a-1", ip_address(f"192.0.2.{n}")) for n in (1, 9))
    assert read_inventory(A1 + END + A1.replace("a-1", "A-1") + END).unclear == {"a-1", "A-1"}


def test_a_member_leaves_no_pool_that_stands_twice() -> None:
    def pool(*members: str) -> str:
        return (
            "<virtual-mta-pool p>\n"
            + "".join(f"virtual-mta {m}\n" for m in members)
            + "</virtual-mta-pool>\n"
        )

    both = A1 + END + A2 + END
    assert only_reductions(both + pool("a-1") + pool("a-2"), both + pool("a-2")) == both + pool("a-1") + pool(
        "a-2"
    )


@pytest.mark.parametrize(
    ("hosts", "address", "may"),
    [
        ("smtp-source-host 192.0.2.1 m\nsmtp-source-host 192.0.2.2 m\n", "192.0.2.2", True),
        ("smtp-source-host 192.0.2.1 m\nsmtp-source-host 192.0.2.2 m\n", "192.0.2.3", False),
        ("smtp-source-host 192.0.2.0/28 m\n", "192.0.2.3", True),
        ("smtp-source-host 192.0.2.0/28 m\n", "192.0.2.16", False),
        ("SMTP-Source-Host\t192.0.2.1\tm # x\n", "192.0.2.1", True),
        ("smtp-source-host 2001:db8:0::1 m\n", "2001:db8::1", True),
        ("smtp-source-host m 192.0.2.1\n", "192.0.2.3", True),
        ("", "192.0.2.3", True),
    ],
    ids=[
        "second",
        "neither",
        "network",
        "outside",
        "case",
        "other spelling",
        "no address",
        "none of its own",
    ],
)
def test_who_may_send_from_an_address(hosts: str, address: str, may: bool) -> None:
    found = read_inventory("<virtual-mta a-1>\n" + hosts + END)
    assert found.may_send("a-1", ip_address(address)) is may
    assert found.may_send("A-1", ip_address(address)) is may
    assert not found.may_send("a-2", ip_address(address))


def test_a_general_limit_that_is_not_understood_lets_nothing_be_lowered_beside_it() -> None:
    general = "<domain *>\nmax-msg-rate 1/h\nmax-msg-rate 1/h\n</domain>\n"
    running = A1 + general + "<domain x.example>\nretry-after 1h\n</domain>\n" + END
    wanted = running.replace("retry-after 1h\n", "retry-after 1h\nmax-msg-rate 100/h\n")
    assert only_reductions(running, wanted) == running


def test_a_block_that_nothing_closes_explains_no_other_line() -> None:
    running = "<virtual-mta a-1>\n" + A2 + END + "<source 0/0>\nalways-allow-relaying yes\n</source>\n"
    plan = plan_deployment("mta-1", running, A1 + END)
    assert plan.removed == ("a-2",)
    assert plan.unexplained_lines(["a-1"]) >= 6
    assert {one.title for one in plan.touched} == {
        "<virtual-mta a-1>", "<virtual-mta a-2>", "<source 0/0>", "outside of blocks",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("diff", "gone"),
    [
        ("-<virtual-mta a-1>\n-</virtual-mta>\n+<virtual-mta a-1 >\n", ()),
        ("-\t<Virtual-MTA  a-1 > # x\n-  max-smtp-out 1\n", ("a-1",)),
        ('-<virtual-mta "a-1">\n+ <virtual-mta\ta-1>\n', ()),
        ("-<virtual-mta-pool p>\n-# <virtual-mta a-9>\n-  virtual-mta a-8\n", ()),
        ("@@ <virtual-mta a-1>\n <virtual-mta a-1>\n-  <domain *>\n-  </domain>\n", ()),
        ("".join(f"-<virtual-mta a-{n}>\n" for n in range(40)), tuple(f"a-{n}" for n in range(40))),
    ],
)
def test_what_vanishes_is_read_however_it_is_spelled(diff: str, gone: tuple[str, ...]) -> None:
    assert vanishing(diff) == gone
