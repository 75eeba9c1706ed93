"""Two configurations compared by what they say."""

import re

import pytest

from email_engine.pmta.language.assembly import assemble
from email_engine.pmta.language.compare import compare, lines_for_people

BASE = """
postmaster ops@example.com
domain-macro big gmail.com,yahoo.com
http-access 127.0.0.1 admin
http-access 10.0.0.0/8 monitor
<smtp-user app>
  password secret-of-app
</smtp-user>
<virtual-mta vmta-5>
  smtp-source-host 192.0.2.5 mail5.example.com
  domain-key s1,five.example,/etc/pmta/dkim/five.pem
  max-smtp-msg-rate 500/d
  <domain *>
    dkim-sign yes
    max-msg-rate 1000/h
  </domain>
  <domain $big>
    max-msg-rate 250/h
  </domain>
</virtual-mta>
<virtual-mta vmta-7>
  smtp-source-host 192.0.2.7 mail7.example.com
  max-smtp-msg-rate 500/d
</virtual-mta>
<virtual-mta-pool sos>
  virtual-mta vmta-5
  virtual-mta vmta-7
</virtual-mta-pool>
<smtp-pattern-list blocks>
  reply /one/ mode=backoff
  reply /two/ mode=backoff
</smtp-pattern-list>
<acct-file /var/log/pmta/acct.csv>
  records d,b,t
  move-interval 90m
</acct-file>
"""

SAME = [
    ("another order of blocks", "", "", True),
    ("a comment", "postmaster ops@example.com", "postmaster ops@example.com # night: Ann", False),
    ("spelling of a rate", "max-smtp-msg-rate 500/d", "max-smtp-msg-rate 500/day", False),
    ("spelling of a truth", "dkim-sign yes", "dkim-sign true", False),
    ("spelling of a time", "move-interval 90m", "move-interval 1h30m", False),
    ("spelling of an hour", "1000/h", "1000/1hr", False),
    ("blanks", "  max-msg-rate 250/h", "\tmax-msg-rate    250/h", False),
    ("blanks in a key", "s1,five.example,", "s1, five.example, ", False),
    ("case of a host", "mail7.example.com", "MAIL7.example.com", False),
    ("order of a macro", "gmail.com,yahoo.com", "yahoo.com,gmail.com", False),
    ("order of records", "records d,b,t", "records t,delivery,b", False),
    ("order of members", "virtual-mta vmta-5\n  virtual-mta vmta-7", "virtual-mta vmta-7\n  virtual-mta vmta-5", False),
    ("a macro written out", "<domain $big>\n    max-msg-rate 250/h\n  </domain>",
     "<domain gmail.com>\n    max-msg-rate 250/h\n  </domain>\n  <domain yahoo.com>\n    max-msg-rate 250/h\n  </domain>", False),
    ("settings of one block in two", "  max-msg-rate 1000/h\n", "</domain>\n<domain *>\n  max-msg-rate 1000/h\n", False),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "turned"), [s[1:] for s in SAME], ids=[s[0] for s in SAME])
def test_the_same_in_other_words_is_no_difference(before: str, after: str, turned: bool) -> None:
    if turned:
        first, *blocks = re.split(r"\n(?=<[a-z])", BASE.strip())
        other = "\n".join([*reversed(blocks), first])
    else:
        assert before in BASE
        other = BASE.replace(before, after)
    assert other != BASE
    assert compare(assemble(BASE), assemble(other)) == ()


DIFFERENT = [
    ("a cap", "500/d\n</virtual-mta>", "1000/d\n</virtual-mta>", ["vmta vmta-7: cap 500/d -> 1000/d"]),
    ("a cap that goes", "  max-smtp-msg-rate 500/d\n</virtual-mta>", "</virtual-mta>", ["vmta vmta-7: cap 500/d -> none"]),
    ("members", "  virtual-mta vmta-5\n", "  virtual-mta vmta-48\n", ["pool sos: - vmta-5, + vmta-48"]),
    ("a rate to a provider", "250/h", "100/h", ["vmta vmta-5, domain gmail.com, yahoo.com: max-msg-rate 250/h -> 100/h"]),
    ("one domain leaves a macro", "big gmail.com,yahoo.com", "big gmail.com",
     ["vmta vmta-5, domain yahoo.com: gone (max-msg-rate 250/h)"]),
    ("a password", "secret-of-app", "another-secret", ["smtp-user app: password (hidden) -> (hidden)"]),
    ("rules in another order", "127.0.0.1 admin\nhttp-access 10.0.0.0/8 monitor", "10.0.0.0/8 monitor\nhttp-access 127.0.0.1 admin",
     ["http-access: other order"]),
    ("a reply more", "  reply /two/", "  reply /three/ skip-mx\n  reply /two/", ["smtp-pattern-list blocks: reply: + /three/ skip-mx"]),
    ("a virtual MTA goes", BASE[BASE.index("<virtual-mta vmta-7>"):BASE.index("<virtual-mta-pool")], "",
     ["vmta vmta-7: gone (192.0.2.7 mail7.example.com, cap 500/d)"]),
    ("a virtual MTA comes", "<virtual-mta-pool sos>", "<virtual-mta n>\nsmtp-source-host 192.0.2.9 m9.example.com\n</virtual-mta>\n<virtual-mta-pool sos>",
     ["vmta n: new (192.0.2.9 m9.example.com)"]),
    ("a global word", "ops@example.com", "night@example.com", ["postmaster ops@example.com -> night@example.com"]),
    ("signing", "dkim-sign yes", "dkim-sign no", ["vmta vmta-5, domain *: dkim-sign yes -> no"]),
    ("what nobody knows", "postmaster ops@example.com", "postmaster ops@example.com\nflux-capacitor 3", ["flux-capacitor none -> 3"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "told"), [d[1:] for d in DIFFERENT], ids=[d[0] for d in DIFFERENT]
)
def test_a_difference_is_told_in_words(before: str, after: str, told: list[str]) -> None:
    assert before in BASE
    changes = compare(assemble(BASE), assemble(BASE.replace(before, after, 1)))
    assert [str(change) for change in changes] == told


ONE_MEANING = [
    ("a quoted queue", '<domain a.example>\nqueue-to "big"\n</domain>', "<domain a.example>\nqueue-to big\n</domain>"),
    ("a network as a domain", "<domain [10/8]>\nretry-after 1h\n</domain>", "<domain [10.0.0.0/8]>\nretry-after 1h\n</domain>"),
    ("keys of strangers", "domain-key s,a.example,/a\ndomain-key s,b.example,/b", "domain-key s,b.example,/b\ndomain-key s,a.example,/a"),
    ("upper case", "<Virtual-MTA a>\nMax-SMTP-Msg-Rate 1/d\n</VIRTUAL-MTA>", "<virtual-mta a>\nmax-smtp-msg-rate 1/d\n</virtual-mta>"),
    ("quoted names", '<virtual-mta "a">\nmax-smtp-msg-rate "1/d"\n</virtual-mta>', "<virtual-mta a>\nmax-smtp-msg-rate 1/d\n</virtual-mta>"),
    ("an upper-case macro", "Domain-Macro x a.example\n<domain $x>\n</domain>", "domain-macro x a.example\n<domain a.example>\n</domain>"),
    ("a volume", "<domain *>\nmax-data-volume-rate 10M/hr\n</domain>", "<domain *>\nmax-data-volume-rate 10m/h\n</domain>"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), [o[1:] for o in ONE_MEANING], ids=[o[0] for o in ONE_MEANING])
def test_two_spellings_are_one_meaning(one: str, other: str) -> None:
    assert compare(assemble(one), assemble(other)) == ()


ROUTES = "<pattern-list r>\n{}\n{}\n{}</pattern-list>\n"
BY_SENDER = "mail-from /@a/ virtual-mta=x"
BY_RECIPIENT = "rcpt-to /@b/ virtual-mta=y"
NESTED = "header S /c/ <pattern-list>\n* virtual-mta=z\n</pattern-list>"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((BY_SENDER, BY_RECIPIENT, ""), (BY_RECIPIENT, BY_SENDER, "")),
        ((BY_SENDER, NESTED, ""), (NESTED, BY_SENDER, "")),
        ((BY_SENDER, BY_RECIPIENT, ""), (BY_RECIPIENT, NESTED, BY_SENDER + "\n")),
    ],
    ids=["of two kinds", "a list inside", "and a new list"],
)
def test_lines_of_a_pattern_list_in_another_order_are_a_difference(
    before: tuple[str, str, str], after: tuple[str, str, str]
) -> None:
    told = compare(assemble(ROUTES.format(*before)), assemble(ROUTES.format(*after)))
    assert "pattern-list r: lines: other order" in map(str, told)
    assert compare(assemble(ROUTES.format(*before)), assemble(ROUTES.format(*before))) == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("domain-key s,*,/a\ndomain-key s,b.example,/b", "domain-key s,b.example,/b\ndomain-key s,*,/a"),
        ("domain-key s,b.example,/a\ndomain-key s,n.b.example,/b", "domain-key s,n.b.example,/b\ndomain-key s,b.example,/a"),
    ],
    ids=["everybody", "a parent"],
)  # fmt: skip
def test_keys_of_which_the_first_match_wins_keep_their_order(before: str, after: str) -> None:
    assert [str(one) for one in compare(assemble(before), assemble(after))] == ["domain-key: other order"]


@pytest.mark.parametrize(
    "line",
    [
        "smtp-server-tls-certificate /etc/tls.pem {}",
        "<smtp-user u>\nPassword {}\n</smtp-user>",
        "<smtp-user u>\npasword {}\n</smtp-user>",
        "<smtp-user u>\npassword={}\n</smtp-user>",
        "<domain *>\nsmtp-client-certificate /etc/tls.pem {}\n</domain>",
        "<domain *>\nhttp-delivery-url https://u:{0}@example.com/?token={0}\n</domain>",
        "<acct-file /a>\nprivacy-policy hmac-sha256 {}\n</acct-file>",
        "<acct-file |/bin/x --password={}>\n</acct-file>",
    ],
)
def test_a_secret_is_hidden_wherever_it_stands(line: str) -> None:
    changes = compare(assemble(line.format("hunter2")), assemble(line.format("hunter3")))
    assert changes
    assert "hunter" not in str([one.as_json() for one in changes])


def test_a_truth_about_keys_is_no_secret() -> None:
    text = "<source 192.0.2.1>\nprocess-x-dkim-key {}\n</source>"
    changes = compare(assemble(text.format("yes")), assemble(text.format("no")))
    assert [str(one) for one in changes] == ["source 192.0.2.1/32: process-x-dkim-key yes -> no"]


def test_includes_are_read_in_their_place() -> None:
    files = {"part.conf": "max-smtp-msg-rate 20/d\n"}
    read = lambda name, _: [(name, files[name])] if name in files else None  # noqa: E731
    split = assemble("<virtual-mta v>\ninclude part.conf\n</virtual-mta>\n", "a", read)
    whole = assemble("<virtual-mta v>\nmax-smtp-msg-rate 20/d\n</virtual-mta>\n")
    assert compare(split, whole) == ()


def test_an_include_in_a_circle_ends() -> None:
    read = lambda name, _: [(name, "include a\n")]  # noqa: E731
    assert compare(assemble("include b\n", "a", read), assemble("include b\n", "a", read)) == ()


def test_a_macro_in_a_circle_stays_as_it_is_written() -> None:
    text = "domain-macro a $b\ndomain-macro b $a\n<domain $a>\nretry-after 1h\n</domain>\n"
    assert compare(assemble(text), assemble(text.replace("1h", "2h"))) != ()


def test_many_alike_are_one_line_for_people() -> None:
    text = "".join(f"<virtual-mta v-{n}>\nmax-smtp-msg-rate 50/d\n</virtual-mta>\n" for n in range(40))
    changes = compare(assemble(text), assemble(text.replace("50/d", "100/d")))
    assert len(changes) == 40
    assert lines_for_people(changes) == ["40 vmtas (v-0 ... v-39): cap 50/d -> 100/d"]


def test_many_domains_of_one_virtual_mta_that_change_alike_are_one_line() -> None:
    domains = ",".join(f"d{n}.example" for n in range(10, 22))
    before = "".join(
        f"<virtual-mta v-{n}>\n<domain d10.example>\nmax-smtp-out 9\n</domain>\n</virtual-mta>\n"
        for n in range(12)
    )
    block = "<domain $many>\nmax-msg-rate 9/h\n</domain>\n"
    after = f"domain-macro many {domains}\n" + before.replace("</virtual-mta>", f"{block}</virtual-mta>")
    one = compare(assemble(before[: before.index("v-1>") - 13]), assemble(after[: after.index("v-1>") - 13]))
    assert lines_for_people(one) == [
        "vmta v-0, 11 domains (d11.example ... d21.example): new (max-msg-rate 9/h)"
    ]
    assert lines_for_people(compare(assemble(before), assemble(after))) == [
        "12 vmtas (v-0 ... v-11), 11 domains (d11.example ... d21.example): new (max-msg-rate 9/h)"
    ]


def test_a_block_for_the_many_domains_of_a_macro_is_one_short_line() -> None:
    macro = "domain-macro many " + ",".join(f"d{n}.example" for n in range(11, 31)) + "\n"
    before, after = (
        f"{macro}<virtual-mta v-1>\n<domain $many>\nmax-msg-rate {rate}\n</domain>\n</virtual-mta>\n"
        for rate in ("9/h", "4/h")
    )
    assert lines_for_people(compare(assemble(before), assemble(after))) == [
        "vmta v-1, 20 domains (d11.example ... d30.example): max-msg-rate 9/h -> 4/h"
    ]
