"""`email-engine dns` through resolvers that do not recurse, lose a branch, or never heard of EDNS: nothing turns red by their fault."""

import json
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from email_engine.cli import main
from tests.dkim_keys import KEYS
from tests.dns_lab import PATIENCE
from tests.zone_server import ZoneAnswers, ZoneServer, zone_server

KEPT: dict[str, Any] = {
    "q.test": {"TXT": "v=spf1 ip4:192.0.2.25 -all", "A": "203.0.113.80", "MX": [[10, "mail.q.test"]]},
    "mail.q.test": {"A": "192.0.2.25", "TXT": "v=spf1 a -all"},
    "25.2.0.192.in-addr.arpa": {"PTR": "mail.q.test"},
    "_dmarc.q.test": {"TXT": "v=DMARC1; p=none; rua=mailto:d@q.test"},
    "s1._domainkey.q.test": {"TXT": f"v=DKIM1; k=rsa; p={KEYS['rsa2048']}"},
}
GROUPS = ("spf", "dkim", "dmarc", "ptr", "mx")


class _Lame(ZoneAnswers):
    """Refers to the servers above, as one that does not recurse does."""

    def reply(self, query: dns.message.Message) -> dns.message.Message | None:
        made = dns.message.make_response(query)
        made.authority.append(dns.rrset.from_text("test.", 60, "IN", "NS", "ns.test."))
        return made


class _Empty(ZoneAnswers):
    def reply(self, query: dns.message.Message) -> dns.message.Message | None:
        return dns.message.make_response(query, recursion_available=True)


class _AliasAlone(ZoneAnswers):
    """An alias without what stands at its end."""

    def reply(self, query: dns.message.Message) -> dns.message.Message | None:
        made = dns.message.make_response(query, recursion_available=True)
        made.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "CNAME", "elsewhere.test."))
        return made


class _NoEdns(ZoneAnswers):
    code = dns.rcode.FORMERR

    def reply(self, query: dns.message.Message) -> dns.message.Message | None:
        if query.edns < 0:
            return super().reply(query)
        made = dns.message.make_response(query)
        made.use_edns(False)
        made.set_rcode(self.code)
        return made


class _NotImplemented(_NoEdns):
    code = dns.rcode.NOTIMP


@pytest.fixture(scope="module")
def server() -> Iterator[ZoneServer]:
    with zone_server() as running:
        yield running


def valid(
    server: ZoneServer, answers: ZoneAnswers, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, Any], str]:
    server.use(answers)
    patience = [f"--{name}={value}" for name, value in PATIENCE.items()]
    words = ["dns", "q.test", "--ip", "192.0.2.25", "--selector", "s1", "--helo", "mail.q.test", "--json"]
    code = main([*words, "--resolver", f"127.0.0.1:{server.port}", *patience])
    text = capsys.readouterr().out
    found = json.loads(text)
    return code, {group: found[group]["valid"] for group in GROUPS}, text


def test_a_resolver_that_does_its_work_finds_everything_right(
    server: ZoneServer, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found, _ = valid(server, ZoneAnswers(KEPT), capsys)
    assert (code, found) == (0, dict.fromkeys(GROUPS, True))


@pytest.mark.parametrize("lying", [_Lame, _Empty, _AliasAlone], ids=["lame", "empty", "alias alone"])
def test_what_does_not_recurse_says_nothing_about_any_record(
    lying: type[ZoneAnswers], server: ZoneServer, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found, text = valid(server, lying(KEPT), capsys)
    assert (code, found) == (1, dict.fromkeys(GROUPS, None))
    assert "the resolver does not recurse" in text
    assert '"status": "broken"' not in text, "nothing is to be published for a fault of the resolver"


def test_where_only_the_reverse_zone_fails_only_the_ptr_is_unknown(
    server: ZoneServer, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = KEPT | {"25.2.0.192.in-addr.arpa": "SERVFAIL"}
    code, found, _ = valid(server, ZoneAnswers(broken), capsys)
    assert (code, found) == (1, dict.fromkeys(GROUPS, True) | {"ptr": None})


@pytest.mark.parametrize("old", [_NoEdns, _NotImplemented], ids=["formerr", "notimp"])
def test_a_resolver_without_edns_is_as_good(
    old: type[ZoneAnswers], server: ZoneServer, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found, _ = valid(server, old(KEPT), capsys)
    assert (code, found) == (0, dict.fromkeys(GROUPS, True))
