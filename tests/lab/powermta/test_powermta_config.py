"""Configurations: good ones load, wrong ones stop at the line that is wrong."""

import hashlib
from pathlib import Path

import pytest

from lab.powermta.config_build import build_model
from lab.powermta.config_model import Model
from lab.powermta.config_reader import ConfigurationError, read_configuration
from lab.powermta.grammar import Grammar

BASE = "log-file /var/log/pmta/log\n<spool /var/spool/pmta>\n</spool>\n"
VMTA = "<virtual-mta v1>\n smtp-source-host 192.0.2.1 mail.example.com\n</virtual-mta>\n"
REALISTIC = Path(__file__).with_name("data") / "realistic.conf"


def load(root: Path, text: str, version: str = "5.0r5", **more: str) -> Model:
    """Loads `text` as /etc/pmta/config; `more` are further files in /etc/pmta by stem (`_` stands for `-`)."""
    directory = root / "etc/pmta"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config").write_text(text, encoding="utf-8")
    for stem, content in more.items():
        (directory / f"{stem.replace('_', '-')}.conf").write_text(content, encoding="utf-8")
    return build_model(read_configuration(root, Grammar(version)))


def test_the_realistic_configuration_loads(tmp_path: Path) -> None:
    model = load(tmp_path, REALISTIC.read_text(encoding="utf-8"))
    assert model.vmtas["vmta-1"].rate == (50, 86400)
    assert model.vmtas["vmta-1"].sources[0].host == "mail1.example.com"
    assert model.pools["pool-a"].members == ("vmta-1",)
    assert [file.records for file in model.acct_files] == [("d", "b", "t"), ("f",)]
    assert model.rollups[0].name == "outlook.rollup"
    assert len(model.reply_lists["blocking-errors"]) == 3


WRONG_LINES = {
    # the snippets that are often seen in the wild and are wrong (facts, section 4)
    "pool weight": ("<virtual-mta-pool p>\n virtual-mta v1 weight 100", 2, 'invalid value "v1 weight 100"'),
    "four-part key": ("<virtual-mta v>\n domain-key b,example.com,*,/k.pem", 2, 'for "domain-key"'),
    "rate by the hour": ("<domain *>\n max-msg-rate 1000/hour", 2, 'invalid value "1000/hour"'),
    "host before IP": (
        "<virtual-mta v>\n smtp-source-host example.com 192.0.2.10",
        2,
        'for "smtp-source-host"',
    ),
    "default pool": ("<source 127.0.0.1>\n default-virtual-mta-pool p", 2, "unknown directive"),
    "brace block": ("smtp-listener 0.0.0.0:2525 {", 1, 'for "smtp-listener"'),
    "closing brace": ("}", 1, "unknown directive"),
    "XML": ('<virtual-mta name="v">', 1, "invalid argument"),
    "XML attribute": ('<pool v="1" />', 1, "unknown tag"),
    "process-x-sender": ("<source 127.0.0.1>\n process-x-sender yes", 2, "unknown directive"),
    "virtual-mta-pool-map": ("virtual-mta-pool-map a b", 1, "unknown directive"),
    "address in a pattern list": ("<pattern-list l>\n a@b.c v1", 2, "unknown directive"),
    "records all": ("<acct-file /a.csv>\n records all", 2, 'invalid value "all"'),
    "format csv": ("<acct-file /a.csv>\n format csv", 2, "unknown directive"),
    "several domains": ("<domain gmail.com yahoo.com>", 1, "invalid argument"),
    "domains by comma": ("<domain gmail.com,yahoo.com>", 1, "invalid argument"),
    "dkim-key": ("<domain *>\n dkim-key /k.pem", 2, "unknown directive"),
    "dkim-domain": ("<domain *>\n dkim-domain x.com", 2, "unknown directive"),
    "dkim-selector": ("<domain *>\n dkim-selector s1", 2, "unknown directive"),
    "backoff-mode": ("<domain *>\n backoff-mode yes", 2, "unknown directive"),
    "max-rcpt-rate": ("<domain *>\n max-rcpt-rate 5/h", 2, "unknown directive"),
    "bind-to-source-ip": ("<virtual-mta v>\n bind-to-source-ip 192.0.2.1", 2, "unknown directive"),
    "smtp-source-ip": ("<virtual-mta v>\n smtp-source-ip 192.0.2.1", 2, "no longer supported"),
    "source-hash": ("<virtual-mta-pool p>\n source-hash yes", 2, "unknown directive"),
    # scopes, blocks, lexing
    "queue rate in a virtual MTA": (
        "<virtual-mta v>\n max-msg-rate 100/h",
        2,
        "not allowed in <virtual-mta>",
    ),
    "whole rate in a domain": ("<domain *>\n max-smtp-msg-rate 50/d", 2, "not allowed in <domain>"),
    "virtual MTA in a domain": ("<domain *>\n <virtual-mta v>", 2, "not allowed in <domain>"),
    "value missing": ("<virtual-mta v>\n max-smtp-out", 2, "argument missing"),
    "tag without a name": ("<virtual-mta>", 1, "argument missing"),
    "closed by another": ("<domain *>\n</source>", 2, '"<domain>" of line 1 is open'),
    "closed twice": (VMTA + "</virtual-mta>", 4, "closes nothing"),
    "half a tag": ("<domain *", 1, "malformed tag"),
    "tag and value in one line": ("<domain *> max-smtp-out 2", 1, "malformed tag"),
    # names and references
    "virtual MTA twice": (VMTA + VMTA, 4, "already used by <virtual-mta> in line 1"),
    "pool named like a virtual MTA": (
        VMTA + "<virtual-mta-pool v1>\n virtual-mta v1\n</virtual-mta-pool>",
        4,
        "already used",
    ),
    "pool without a member": ("<virtual-mta-pool p>\n</virtual-mta-pool>", 1, "has no virtual-mta"),
    "pool with an unknown member": (
        "<virtual-mta-pool p>\n virtual-mta v9\n</virtual-mta-pool>",
        2,
        'unknown virtual-mta "v9"',
    ),
    "pool in a pool": (
        VMTA
        + "<virtual-mta-pool p>\n virtual-mta v1\n</virtual-mta-pool>\n<virtual-mta-pool q>\n virtual-mta p\n</virtual-mta-pool>",
        8,
        'unknown virtual-mta "p"',
    ),
    "member twice": (
        VMTA + "<virtual-mta-pool p>\n virtual-mta v1\n virtual-mta v1\n</virtual-mta-pool>",
        6,
        "listed twice",
    ),
    "member of two pools with domains": (
        VMTA
        + "".join(
            f"<virtual-mta-pool {p}>\n virtual-mta v1\n <domain *>\n </domain>\n</virtual-mta-pool>\n"
            for p in "pq"
        ),
        10,
        "two pools with <domain>",
    ),
    "reserved name": ("<virtual-mta {x}>\n</virtual-mta>", 1, "reserved"),
    "wildcard name": ("<virtual-mta v*>\n</virtual-mta>", 1, "wildcard"),
    "unknown default": (
        "<source 127.0.0.1>\n default-virtual-mta v9\n</source>",
        2,
        "unknown virtual-mta or virtual-mta-pool",
    ),
    "unknown reply list": ("<domain *>\n smtp-pattern-list l\n</domain>", 2, 'unknown smtp-pattern-list "l"'),
    "unknown target": ("<pattern-list l>\n rcpt-to /x/ virtual-mta=v9\n</pattern-list>", 2, '"v9"'),
    "pattern list after its source": (
        "<source 127.0.0.1>\n pattern-list l\n</source>\n<pattern-list l>\n</pattern-list>",
        2,
        "must stand before the source",
    ),
    "second pattern list": (
        "<pattern-list l>\n</pattern-list>\n<source 0/0>\n pattern-list l\n pattern-list l\n</source>",
        5,
        "only once",
    ),
    "records twice": ("<acct-file /a.csv>\n records d\n records b\n</acct-file>", 3, "only once"),
    "unknown field": (
        "<acct-file /a.csv>\n record-fields d *,colour\n</acct-file>",
        2,
        'unknown field "colour"',
    ),
    "accounting file twice": (
        "<acct-file /a.csv>\n</acct-file>\n<acct-file /a.csv>\n</acct-file>",
        3,
        "defined twice",
    ),
    "interval without move-to": ("<acct-file /a.csv>\n move-interval 5m\n</acct-file>", 2, "works only with"),
    "file too small": ("<acct-file /a.csv>\n max-size 100k\n</acct-file>", 2, "least is 1M"),
    "unknown macro": ("<domain $yahoo>\n</domain>", 1, 'unknown domain macro "$yahoo"'),
    "macro in a circle": ("domain-macro a $b\ndomain-macro b $a", 1, "refers to itself"),
    "macro name": ("domain-macro a-b x.com", 1, "letters, digits and underscores"),
    "roll-up without hosts": (
        "<mx-rollup-list>\n mx *.x.com x.rollup\n</mx-rollup-list>",
        2,
        'needs "smtp-hosts"',
    ),
    "proxy and source host": (
        "<virtual-mta v>\n smtp-source-host 192.0.2.1 a.b\n smtp-proxy-source-host 192.0.2.1 10.0.0.1:80 10.0.0.2 a.b\n</virtual-mta>",
        3,
        "excludes",
    ),
    "both modes": (
        "<smtp-pattern-list l>\n reply /x/ mode=backoff,mode=normal\n</smtp-pattern-list>",
        2,
        "exclude each other",
    ),
    "re-enable alone": (
        "<smtp-pattern-list l>\n reply /x/ reenable-after=6h\n</smtp-pattern-list>",
        2,
        "needs",
    ),
    "skip and bounce": (
        "<smtp-pattern-list l>\n reply /x/ skip-mx,bounce-queue\n</smtp-pattern-list>",
        2,
        "exclude each other",
    ),
    "bad pattern": (
        "<smtp-pattern-list l>\n reply /(x/ mode=backoff\n</smtp-pattern-list>",
        2,
        "invalid regular expression",
    ),
    "include by URL": ("include https://example.com/pmta.conf", 1, "cannot fetch"),
    "include of nothing": ("include /etc/pmta/none.conf", 1, 'cannot open "/etc/pmta/none.conf"'),
    "include outside": ("include /../../etc/passwd", 1, "cannot open"),
    "include of itself": ("include /etc/pmta/config", 1, "includes itself"),
}


@pytest.mark.parametrize(("text", "line", "problem"), WRONG_LINES.values(), ids=WRONG_LINES)
def test_a_wrong_line_is_named_with_its_number(tmp_path: Path, text: str, line: int, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text + "\n" + BASE)
    assert str(caught.value).startswith(f"Error in line {line} of /etc/pmta/config: ")
    assert problem in str(caught.value)


def test_a_block_that_never_closes_is_named_at_the_end(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r'Error in line 5 .*"<domain>" of line 4 is not closed'):
        load(tmp_path, BASE + "<domain *>\n max-smtp-out 2\n")


RIGHT = {
    "key with a domain": "<virtual-mta v>\n domain-key default,example.com,/p/x.key\n</virtual-mta>",
    "key with a star": "<virtual-mta v>\n domain-key dkim,*,/p/x.key\n</virtual-mta>",
    "queue rate in a domain": "<domain *>\n max-msg-rate 100/h\n</domain>",
    "relaying for one address": "<source 192.0.2.1>\n always-allow-relaying yes\n process-x-virtual-mta yes\n</source>",
    "default pool by the right name": VMTA
    + "<virtual-mta-pool p>\n virtual-mta v1\n</virtual-mta-pool>\n<source 0/0>\n default-virtual-mta p\n</source>",
    "source of the field": "<source {pmta-auth}>\n</source>\n<smtp-user u>\n password x\n source {pmta-auth}\n</smtp-user>",
    "pool before its members": "<virtual-mta-pool p>\n virtual-mta v1\n</virtual-mta-pool>\n" + VMTA,
    "nested pattern lists": "<pattern-list l>\n rcpt-to /x/ <pattern-list>\n  mail-from /y/ virtual-mta=v1\n </pattern-list>\n</pattern-list>\n"
    + VMTA,
    "categories": "<bounce-category-patterns>\n /user unknown/ bad-mailbox\n // other\n</bounce-category-patterns>",
    "comment behind a value": "<virtual-mta v> # a virtual MTA\n max-smtp-out 10 # few\n</virtual-mta>",
    "tabs": "<virtual-mta v>\n\tmax-smtp-out\t10\n</virtual-mta>",
    "line ends of Windows": "<virtual-mta v>\r\n max-smtp-out 10\r\n</virtual-mta>\r",
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_a_right_snippet_loads(tmp_path: Path, text: str) -> None:
    load(tmp_path, text + "\n" + BASE)


@pytest.mark.parametrize(
    ("text", "what"), [("log-file /x\n", "spool"), ("<spool /x>\n</spool>\n", "log-file")]
)
def test_a_configuration_needs_a_log_file_and_a_spool(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what):
        load(tmp_path, text)


def test_a_mistake_in_an_included_file_is_named_with_that_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"Error in line 2 of /etc/pmta/inner\.conf: unknown directive"
    ):
        load(
            tmp_path,
            BASE + "include /etc/pmta/outer.conf\n",
            outer="# first\ninclude inner.conf\n",
            inner="\ncolour red\n",
        )


def test_an_include_inside_a_block_belongs_to_the_block(tmp_path: Path) -> None:
    text = BASE + "<virtual-mta v>\n include /etc/pmta/inner.conf\n</virtual-mta>\n"
    assert (
        load(tmp_path, text, inner="smtp-source-host 192.0.2.1 a.b\n").vmtas["v"].sources[0].address
        == "192.0.2.1"
    )


def test_a_block_must_close_in_the_file_that_opens_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"line 1 of /etc/pmta/inner\.conf.*not closed"):
        load(tmp_path, BASE + "include /etc/pmta/inner.conf\n</domain>\n", inner="<domain *>\n")


def test_includes_by_wildcard_come_in_the_order_of_names(tmp_path: Path) -> None:
    texts = {f"t_{name}": VMTA.replace("v1", name) for name in ("b", "a")}
    model = load(tmp_path, BASE + "include /etc/pmta/t-*.conf\n", **texts)
    assert list(model.vmtas) == ["a", "b"]


def test_the_digest_is_that_of_the_bytes_that_were_read(tmp_path: Path) -> None:
    model = load(tmp_path, BASE + "include /etc/pmta/email-engine.conf\n", email_engine=VMTA)
    assert model.digests["/etc/pmta/email-engine.conf"] == hashlib.sha256(VMTA.encode()).hexdigest()


SETTINGS = BASE + (
    "domain-macro big gmail.com,$more\ndomain-macro more yahoo.fr,aol.com\ndomain-macro tld net,org\n"
    "<domain $big>\n max-smtp-out 9\n retry-after 9m\n</domain>\n"
    "<domain mail.$tld>\n max-smtp-out 6\n</domain>\n"
    "<domain gmail.com>\n max-smtp-out 8\n</domain>\n"
    "<domain [*.]example.com>\n max-smtp-out 7\n</domain>\n"
    "<domain *>\n max-smtp-out 1\n bounce-after 1d\n max-msg-rate 5/h\n</domain>\n"
    "<virtual-mta v>\n <domain *>\n  max-msg-rate 6/h\n </domain>\n</virtual-mta>\n"
    '<virtual-mta w>\n <domain gmail.com>\n  queue-to ""\n  bounce-after 2d\n </domain>\n</virtual-mta>\n'
    "<virtual-mta-pool p>\n virtual-mta w\n <domain *>\n  max-msg-rate 7/h\n  bounce-after 3d\n </domain>\n</virtual-mta-pool>\n"
)


@pytest.mark.parametrize(
    ("domain", "vmta", "expected"),
    [
        ("other.org", "", {"max-smtp-out": "1", "bounce-after": "1d", "max-msg-rate": "5/h"}),
        (
            "gmail.com",
            "",
            {"max-smtp-out": "8", "retry-after": "9m", "bounce-after": "1d", "max-msg-rate": "5/h"},
        ),
        (
            "yahoo.fr",
            "",
            {"max-smtp-out": "9", "retry-after": "9m", "bounce-after": "1d", "max-msg-rate": "5/h"},
        ),
        ("mail.net", "", {"max-smtp-out": "6", "bounce-after": "1d", "max-msg-rate": "5/h"}),
        ("example.com", "", {"max-smtp-out": "7", "bounce-after": "1d", "max-msg-rate": "5/h"}),
        ("a.example.com", "", {"max-smtp-out": "7", "bounce-after": "1d", "max-msg-rate": "5/h"}),
        ("other.org", "v", {"max-smtp-out": "1", "bounce-after": "1d", "max-msg-rate": "6/h"}),
        (
            "gmail.com",
            "w",
            {"max-smtp-out": "8", "retry-after": "9m", "bounce-after": "2d", "max-msg-rate": "7/h"},
        ),
    ],
)
def test_the_closest_domain_wins_and_inherits_from_the_others(
    tmp_path: Path, domain: str, vmta: str, expected: dict[str, str]
) -> None:
    model = load(tmp_path, SETTINGS)
    own, pool = model.vmtas.get(vmta), model.pool_of(vmta)
    assert (
        model.domains.effective(domain, own.domains if own else (), pool.domains if pool else ()) == expected
    )
