"""The argument grammar: every kind of cell in the tables takes a good value and refuses a bad one."""

import csv

import pytest

from lab.powermta.grammar import FACTS, Grammar
from lab.powermta.grammar_arguments import compile_arguments

LISTS = "enum(d|delivery|b|bounce|t|transient|tq|transient-queue|r|receipt|f|feedback-loop|rb|remote-bounce|rs|remote-status)"
MAPPED = "enum(d|delivery|b|bounce|t|transient|r|receipt|f|feedback-loop|rb|remote-bounce|rs|remote-status)"
RESULTS = "(virtual-mta=NAME|recipient-priority=INT(0..100)|call-to:NAME),...|<pattern-list>"
ACTIONS = (
    "(mode=normal|mode=backoff|backoff-to-normal-after=INTERVAL|skip-mx|bounce-queue|bounce-rcpt|disable-source-ip|"
    "reenable-after=INTERVAL|defer-queue),..."
)

# cell: (accepted, refused); the pieces of a list are separated by " ; "
EXAMPLES: dict[str, tuple[str, str]] = {
    "INT": ("20", "many ; -1 ; 2.5"),
    "INT(MB)": ("100", "100M"),
    "INT(ms)": ("5", "5ms"),
    "INT(0..100)": ("0 ; 50 ; 100", "101"),
    "INT(1..100)": ("1 ; 100", "0 ; 101"),
    "INT(512..2048)": ("512 ; 2048", "511 ; 2049"),
    "INT|auto": ("auto ; 7", "none"),
    "INT|unlimited": ("unlimited ; 7", "infinite"),
    "INTd|never": ("8d ; never", "8 ; 8h"),
    "BOOL": ("yes ; no ; true ; false", "on ; 1 ; YES please"),
    "BOOL|override": ("override ; yes", "maybe"),
    "BOOL|INTERVAL|never": ("5m ; never ; no", "soon"),
    "BOOL|if-x-dkim-options-present": ("if-x-dkim-options-present", "if-present"),
    "EMAIL": ("ops@example.com", "ops ; a@b@c"),
    'EMAIL|""': ('"" ; a@b.c', "nobody"),
    'EMAIL,...|""': ('"" ; a@b.c ; a@b.c,d@e.f', "a@b.c d@e.f"),
    "EMAIL|REGEX": ("a@b.c ; /x@y/", "x"),
    "EMAIL|LOCALPART|REGEX": ("a@b.c ; info ; /x/", "two words"),
    "EMAIL|DOMAIN|@DOMAIN": ("a@b.c ; b.c ; @b.c", "a b"),
    "EMAIL|DOMAIN|@DOMAIN|sender-or-from|strict-from": ("sender-or-from ; strict-from ; @b.c", "a b"),
    "EMAIL|LOCALPART|*@DOMAIN EMAIL,...": ("*@x.com a@b.c,d@e.f ; info a@b.c", "info"),
    "DIR": ("/var/spool/pmta", "/a /b"),
    "DIR DIR": ("/a /b", "/a"),
    "PATH": ("/etc/x.pem", "/a b"),
    "PATH [STRING]": ("/etc/x.pem ; /etc/x.pem secret", ""),
    "PATH|URL": ("/etc/x.conf ; https://x.com/y", "a b"),
    "URL": ("https://x.com/y", "x.com"),
    "CIPHERS": ("HIGH:!ADH:@STRENGTH", "A B"),
    "CIPHERSUITES": ("TLS_AES_256_GCM_SHA384:TLS_X", "A B"),
    "STRING": ("any text at all", ""),
    "STRING|{auth}": ("{auth} ; x-", ""),
    'STRING|""': ('""', ""),
    "STRING(32..128;[A-Za-z0-9_])": ("a" * 32, "a" * 31 + " ; " + "a" * 129 + " ; " + "-" * 32),
    "STRING(40;[0-9A-Fa-f])": ("0aF9" * 10, "0aF9" * 9),
    "HOST": ("mail.example.com ; mail", "192.0.2.1 ; a_b ; -a.com"),
    "DOMAIN": ("example.com", "*.example.com"),
    "IP": ("192.0.2.1 ; 2001:db8::1", "192.0.2 ; 300.1.1.1 ; host"),
    "PORT": ("25 ; 65535", "65536 ; smtp"),
    "PORT|0": ("0 ; 8080", "off"),
    "NAME": ("vmta-1 ; mta2.port25.com", "vmta-1 weight 100 ; a/b"),
    'NAME|""': ('"" ; x', "x y"),
    "NAME,...": ("a ; a,b", "a, b"),
    "NAME|by-smtp-source-ip": ("by-smtp-source-ip ; pool-a", "by source"),
    "SIZE|0": ("0 ; 20M", "20"),
    "SIZE": ("10k ; 1t", "10 ; k"),
    "SIZE|0|unlimited|INT(deprecated)": ("unlimited ; 0 ; 10M ; 100", "big"),
    "SIZE(min1M;webhooks50K..10M)": ("1M ; 250m ; 1g ; 60k", "49k ; 0M ; 10"),
    "DPATTERN": (
        "* ; example.com ; *.example.com ; [*.]example.com ; [10.0.0.0/8] ; $yahoo ; yahoo.$tld",
        "a b ; a,b ; *x",
    ),
    "DPATTERN INT": ("*.example.com 5", "*.example.com"),
    "DPATTERN DOMAIN": ("*.a.com b.com", "b.com"),
    "DPATTERN NAME.rollup [rollup-by-ip]": (
        "*.olc.protection.outlook.com outlook.rollup ; mx.x.com a.rollup rollup-by-ip",
        "mx.x.com outlook",
    ),
    "DPATTERN enable-signals[,subaccount=INT]|disable-signals": (
        "* disable-signals ; x.com enable-signals,subaccount=3",
        "* on",
    ),
    "true[,subaccount=INT] || false || NAME": (
        "true ; true,subaccount=4 ; false ; filter",
        "true subaccount",
    ),
    "RATE": (
        "unlimited ; 0 ; 50/d ; 50/day ; 100/h ; 9/hr ; 1/m ; 1/min ; 5/s ; 5/sec ; 83/10m",
        "1000/hour ; 5/minute ; 50 ; 50/w",
    ),
    "VOLUME-RATE": ("10M/h".lower() + " ; unlimited ; 10/h", "10x/h"),
    "DAY-RATE,...": ("1/d ; 1/day,2/day,3/day", "1/h ; 1/d 2/d"),
    "INTERVAL": ("300s ; 4d12h ; 1w2d12h ; 0", "10 ; 10 m ; 5min"),
    "INTERVAL|never": ("never ; 1h", "ever"),
    "INTERVAL(max10m)": ("0 ; 10m ; 30s", "11m ; 1h"),
    "INTERVAL(min1m)": ("1m ; 60s ; 5m", "59s ; 0"),
    "INTERVAL,...(max30)": ("10m ; 10m,10m,1h", "10m, 1h ; " + ",".join(["1m"] * 31)),
    "CIDR INT": ("10/8 5", "x 5"),
    "CIDR RATE": ("0/0 5/h ; 192.0.2.1 5/d", "5/h"),
    "CIDR RATE(h|hr|m|min|s|sec)": ("0/0 5/h", "0/0 5/d"),
    "CIDR VOLUME-RATE": ("0/0 5m/h", "0/0"),
    "CIDR:PORT [source=NAME]": ("10.0.0.5:2525 ; 0/0:25 source=app", "10.0.0.5 ; 0.0.0.0:2525 {"),
    "CIDR enum(none|monitor[,deny-logs]|operator|admin)": (
        "127.0.0.1 admin ; 10/8 monitor,deny-logs ; 0/0 none",
        "127.0.0.1 root ; admin",
    ),
    "IP|CIDR HOST": (
        "192.0.2.11 mail1.example.com ; 2001:db8::/64 mail.example.com",
        "mail1.example.com 192.0.2.11 ; 192.0.2.11",
    ),
    "IP|CIDR (IP|HOST):PORT IP[:PORT] HOST": (
        "192.0.2.1 10.0.0.1:80 10.0.0.2 mail.x.com",
        "192.0.2.1 mail.x.com",
    ),
    "(IP|HOST):PORT": ("10.0.0.1:80 ; proxy.x.com:80", "10.0.0.1"),
    "IP[:PORT] HOST": ("10.0.0.1 mail.x.com ; 10.0.0.1:99 mail.x.com", "mail.x.com"),
    "HEADER": ("X-job", "X job"),
    'HEADER,...|""': ('"" ; X-a,X-b', "X-a, X-b"),
    "HEADER,...": ("X-a,X-b", "X-a X-b"),
    'HEADER|REGEX,...|""': ("From,/x-.*/", "From To"),
    "SELECTOR,DOMAIN|*,PATH|VAULT": (
        "s1,example.com,/etc/k.pem ; s1 , * , /etc/k.pem ; s1,*,{vault}:/dkim/x:key",
        "base,example.com,*,/etc/k.pem ; s1,example.com ; s1 example.com /etc/k.pem",
    ),
    "NAME DOMAINPART|$NAME,...": ("yahoo yahoo.com,ymail.com,$more", "yahoo"),
    'HOSTSPEC[,HOSTSPEC...][;...]|""': (
        'lookup-mx:outlook.com ; a.com:25,b.com ; a.com;[192.0.2.1]:26 ; ""',
        "a b",
    ),
    "[!]QUEUE,...": ("gmail.com/* ; !*/x,gmail.com/y", "a b"),
    "ADDRPATTERN ADDRPATTERN": ("*@a.com *@b.com", "*@a.com"),
    "REGEX NAME": ("/user unknown/ bad-mailbox ; // other", "user unknown bad-mailbox"),
    f"REGEX {RESULTS}": (
        "/a/ virtual-mta=x ; /a/ virtual-mta=x,recipient-priority=100 ; /a/ <pattern-list>",
        "/a/ x ; a virtual-mta=x ; /a/ recipient-priority=101",
    ),
    f"HEADER REGEX {RESULTS}": ("X-a /b/ virtual-mta=x", "/b/ virtual-mta=x"),
    RESULTS.removesuffix("|<pattern-list>"): ("virtual-mta=x", "x"),
    f"REGEX {ACTIONS}": (
        r"/\[TSS?0[0-9]\]/ mode=backoff ; /a\/b/ skip-mx,bounce-rcpt ; /x y/ mode=backoff,disable-source-ip,reenable-after=6h",
        "/x/ backoff ; x mode=backoff ; /x/ mode=backoff, skip-mx",
    ),
    f"{LISTS},...": ("d ; d,b,t,tq,r,f,rb,rs ; delivery,bounce", "all ; p ; complaint ; d b"),
    f"{LISTS} (*|[!]FIELD|header_NAME|arf_NAME),...": (
        "d *,header_Message-Id ; b *,!vmta ; f rcpt,arf_source-ip",
        "x * ; d",
    ),
    f"{MAPPED} header_NAME FIELD": (
        "f header_X-HmXmrOriginalRecipient rcpt",
        "f X-H rcpt ; tq header_x rcpt",
    ),
    "retain || redact [STRING] || enum(siphash|siphash-hexkey|hmac-sha256|hmac-sha256-hexkey) STRING": (
        "retain ; redact ; redact xx ; siphash key",
        "siphash ; hide",
    ),
}


def _cells() -> set[str]:
    with (FACTS / "powermta-directives.tsv").open(encoding="utf-8", newline="") as lines:
        return {row["args"] for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)}


def _plain_enum(cell: str) -> bool:
    return cell.startswith("enum(") and cell.removesuffix(",...").endswith(")") and cell.count("(") == 1


def _pieces(text: str) -> list[str]:
    return text.split(" ; ")


def test_every_cell_of_the_directive_table_has_an_example_here() -> None:
    missing = {cell for cell in _cells() if not _plain_enum(cell)} - set(EXAMPLES) - {"?"}
    assert not missing


@pytest.mark.parametrize("cell", EXAMPLES, ids=str)
def test_a_cell_takes_what_it_says_and_nothing_else(cell: str) -> None:
    pattern = compile_arguments(cell)
    accepted, refused = EXAMPLES[cell]
    assert [value for value in _pieces(accepted) if not pattern.fullmatch(value)] == []
    assert [value for value in _pieces(refused) if pattern.fullmatch(value)] == []


@pytest.mark.parametrize("cell", sorted(cell for cell in _cells() if _plain_enum(cell)))
def test_an_enumeration_takes_each_of_its_words_and_no_other(cell: str) -> None:
    pattern = compile_arguments(cell)
    words = cell[5 : cell.index(")")].split("|")
    assert all(pattern.fullmatch(word) for word in words)
    assert not pattern.fullmatch("nonsense")
    assert bool(pattern.fullmatch(f"{words[0]},{words[1]}" if len(words) > 1 else "")) == cell.endswith(
        ",..."
    )


@pytest.mark.parametrize(
    ("version", "name", "value", "scope", "refusal"),
    [
        ("5.0r5", "use-mta-sts", "yes", "domain", None),
        ("5.0r1", "use-mta-sts", "yes", "domain", "unknown directive"),
        ("4.5", "use-dane", "yes", "domain", "unknown directive"),
        ("4.5", "max-smtp-msg-rate", "50/d", "virtual-mta", None),
        ("4.5", "max-msg-rate", "83/10m", "domain", "multipliers are new in 5.0"),
        ("5.5", "max-msg-rate", "83/10m", "domain", None),
        ("5.0r5", "smtp-tls-allow-sslv3", "yes", "domain", "no longer supported"),
        ("5.0r5", "smtp-source-ip", "192.0.2.1", "virtual-mta", "no longer supported"),
        ("5.0r5", "dk-sign", "yes", "domain", None),
        ("5.0r5", "route", "x", "domain", None),
        ("5.0r5", "max-smtp-msg-rat", "50/d", "virtual-mta", 'did you mean "max-smtp-msg-rate"'),
    ],
)
def test_a_release_knows_its_own_directives(
    version: str, name: str, value: str, scope: str, refusal: str | None
) -> None:
    problem = Grammar(version).directive(name, value, scope)
    assert problem is None if refusal is None else problem is not None and refusal in problem


def test_a_version_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not like 5\.0r5"):
        Grammar("newest")
