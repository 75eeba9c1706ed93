"""The resolver and its Airflow hook against the lab's DNS world, on loopback."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import dns.rdata
import pytest

from email_engine import paths
from email_engine.adapters.dns_resolver import Resolver
from email_engine.adapters.dns_wire import text_of
from email_engine.adapters.nameservers import parse_nameserver
from email_engine.dns_answers import Absence, Found, NotFound, Question, Trouble, Unknown
from email_engine.errors import InputError, Unreachable
from email_engine_airflow.hooks.dns_resolver import DnsResolverHook
from lab.testing import RunningLab
from tests.dns_lab import PATIENCE, dns_lab

CONNECTION = "AIRFLOW_CONN_DNS_RESOLVER_DEFAULT"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with dns_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def nameserver(lab: RunningLab) -> tuple[str, int]:
    return "127.0.0.1", lab.world["dns"]["port"]


def resolver(nameserver: tuple[str, int], **settings: Any) -> Resolver:
    return Resolver([nameserver], **PATIENCE | settings)


def test_every_kind_of_answer_is_told_apart(nameserver: tuple[str, int]) -> None:
    domain, zen = "news1.aurora-mail.example", "zen.lab.example"
    expected = {
        Question(domain, "A"): Found(("198.51.100.1",), 300),
        Question(domain, "MX"): Found(("10 mail1.aurora-mail.example",), 300),
        Question(domain, "TXT"): Found(("v=spf1 ip4:198.51.100.1 -all",), 300),
        Question("1.100.51.198.in-addr.arpa", "PTR"): Found(("mail1.aurora-mail.example",), 300),
        Question(domain, "AAAA"): NotFound(Absence.NODATA),
        Question("nobody.aurora-mail.example"): NotFound(Absence.NXDOMAIN),
        Question(f"1.0.0.127.{zen}"): NotFound(Absence.NXDOMAIN),
        Question("2.0.0.127.servfail.lab.example"): Unknown(Trouble.SERVFAIL),
        Question("2.0.0.127.silent.lab.example"): Unknown(Trouble.TIMEOUT),
        Question("outside.invalid"): Unknown(Trouble.REFUSED),
        Question("a" * 64 + ".example"): Unknown(Trouble.BAD_NAME),
        Question("a..example"): Unknown(Trouble.BAD_NAME),
    }
    assert resolver(nameserver).resolve_many(expected) == expected


def test_all_records_of_an_answer_come_back(nameserver: tuple[str, int]) -> None:
    question = Question("2.0.0.127.zen.lab.example")
    answer = resolver(nameserver).resolve_many([question])[question]
    assert isinstance(answer, Found)
    assert set(answer.records) == {"127.0.0.2", "127.0.0.4", "127.0.0.10"}


def test_a_long_txt_record_is_joined_without_spaces(nameserver: tuple[str, int]) -> None:
    question = Question("s1._domainkey.news1.aurora-mail.example", "TXT")
    answer = resolver(nameserver).resolve_many([question])[question]
    assert isinstance(answer, Found)
    (record,) = answer.records
    assert len(record) > 255
    assert " " not in record.split("p=")[1]


def test_a_txt_record_brings_no_control_characters() -> None:
    rdata = dns.rdata.from_text("IN", "TXT", '"listed\\000\\027[2J\\010 see\\009us" "\\195\\188"')
    assert text_of(rdata, "TXT") == "listed\ufffd\ufffd[2J\ufffd see\tusü"


def test_a_cut_answer_is_fetched_over_tcp(lab: RunningLab, nameserver: tuple[str, int]) -> None:
    lab.knob("truncate_dns", on=True)
    try:
        question = Question("s1._domainkey.news1.aurora-mail.example", "TXT")
        assert isinstance(resolver(nameserver).resolve_many([question])[question], Found)
    finally:
        lab.knob("truncate_dns", on=False)


def test_lost_questions_are_asked_again(lab: RunningLab, nameserver: tuple[str, int]) -> None:
    lab.knob("lose_dns", rate=0.3)
    try:
        questions = [Question(f"{n}.0.0.10.bl.lab.example") for n in range(40)]
        answers = resolver(nameserver, timeout=0.5, tries=12, lifetime=60).resolve_many(questions)
    finally:
        lab.knob("lose_dns", rate=0)
    assert set(answers.values()) == {NotFound(Absence.NXDOMAIN)}


def test_a_dead_resolver_leaves_everything_unknown_in_bounded_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        questions = [Question(f"{n}.example") for n in range(50)]
        began = time.monotonic()
        answers = Resolver([silent.getsockname()], timeout=0.1, tries=3).resolve_many(questions)
        assert set(answers.values()) == {Unknown(Trouble.TIMEOUT)}
        assert time.monotonic() - began < 5


def test_no_more_are_under_way_than_allowed(nameserver: tuple[str, int], lab: RunningLab) -> None:
    lab.knob("delay_dns", seconds=0.05)
    try:
        began = time.monotonic()
        questions = [Question(f"{n}.0.0.10.bl.lab.example") for n in range(20)]
        resolver(nameserver, in_flight=5).resolve_many(questions)
        assert time.monotonic() - began >= 4 * 0.05
    finally:
        lab.knob("delay_dns", seconds=0.0)


def test_a_second_name_server_answers_when_the_first_is_silent(nameserver: tuple[str, int]) -> None:
    question = Question("news1.aurora-mail.example")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        both = Resolver([silent.getsockname(), nameserver], **PATIENCE)
        assert isinstance(both.resolve_many([question])[question], Found)
        assert both.turned().nameservers[0] == nameserver


@pytest.mark.parametrize(
    ("nameservers", "settings", "mistake"),
    [
        ([], {}, "no nameserver"),
        ([("dns.example", 53)], {}, "'dns.example' is not an IP address"),
        ([("192.0.2.53", 0)], {}, "port 0"),
        ([("192.0.2.53", 53)], {"in_flight": 500}, "in_flight 500"),
        ([("192.0.2.53", 53)], {"tries": 0}, "tries 0"),
        ([("192.0.2.53", 53)], {"timeout": 0}, "timeout 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nonsense_is_refused(
    nameservers: list[tuple[str, int]], settings: dict[str, Any], mistake: str
) -> None:
    with pytest.raises(InputError) as caught:
        Resolver(nameservers, **settings)
    assert mistake in caught.value.observed


def connect(
    monkeypatch: pytest.MonkeyPatch, host: str, port: int | None = None, **extra: Any
) -> DnsResolverHook:
    connection = {"conn_type": "dns_resolver", "host": host, "port": port, "extra": extra}
    monkeypatch.setenv(CONNECTION, json.dumps(connection))
    return DnsResolverHook()


@pytest.fixture
def lab_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_ENGINE_BLOCKLISTS", str(paths.CONFIG / "blocklists.lab.yaml"))


@pytest.mark.usefixtures("lab_lists")
def test_the_test_button_probes_the_lists(
    monkeypatch: pytest.MonkeyPatch, nameserver: tuple[str, int]
) -> None:
    hook = connect(monkeypatch, *nameserver, **PATIENCE)
    fine, message = hook.test_connection()
    assert fine
    assert "believed: zen-lab, bl-lab" in message
    assert "silent-lab: probe of a name that cannot be listed: timeout" in message


@pytest.mark.usefixtures("lab_lists")
def test_the_test_button_says_when_nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        hook = connect(monkeypatch, "127.0.0.1", silent.getsockname()[1], timeout=0.1, tries=1)
        fine, message = hook.test_connection()
    assert not fine
    assert "no block list can be believed" in message


@pytest.mark.parametrize(
    "more", ["127.0.0.2:5353, 192.0.2.53", ["127.0.0.2:5353", "192.0.2.53"]], ids=["text", "list"]
)
def test_further_name_servers_stand_in_the_extra(monkeypatch: pytest.MonkeyPatch, more: Any) -> None:
    hook = connect(monkeypatch, "127.0.0.1", 5300, nameservers=more, tries="4", in_flight=50)
    made = hook.get_conn()
    assert made.nameservers == (("127.0.0.1", 5300), ("127.0.0.2", 5353), ("192.0.2.53", 53))
    assert (made.tries, made.in_flight, made.timeout) == (4, 50, 2.0)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "9.9.9.9", "208.67.222.222", "2606:4700:4700::1111", "169.254.169.253"]
)
@pytest.mark.parametrize("place", ["host", "extra"])
def test_public_resolvers_are_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, address: str, place: str
) -> None:
    if place == "host":
        hook = connect(monkeypatch, address)
    else:
        hook = connect(monkeypatch, "127.0.0.1", nameservers=[address])
    with pytest.raises(InputError, match="block lists answer public ones with an error code"):
        hook.get_conn()
    assert hook.test_connection()[0] is False


def test_a_name_server_may_have_a_name(monkeypatch: pytest.MonkeyPatch, nameserver: tuple[str, int]) -> None:
    made = connect(monkeypatch, "localhost", nameserver[1], **PATIENCE).get_conn()
    assert nameserver in made.nameservers
    question = Question("news1.aurora-mail.example", "A")
    assert isinstance(made.resolve_many([question])[question], Found)


def _looked_up(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def lookup(host: str, port: None, type: int) -> list[tuple[Any, ...]]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(0, type, 0, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)


def test_all_addresses_of_a_name_are_asked_and_each_time_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect(monkeypatch, "unbound", 5353)
    _looked_up(monkeypatch, "192.0.2.53", "2001:db8::53")
    assert hook.get_conn().nameservers == (("192.0.2.53", 5353), ("2001:db8::53", 5353))
    _looked_up(monkeypatch, "192.0.2.54")
    assert hook.get_conn().nameservers == (("192.0.2.54", 5353),)


def test_a_name_of_a_public_resolver_is_refused_even_beside_another_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _looked_up(monkeypatch, "192.0.2.53", "8.8.8.8")
    with pytest.raises(InputError, match=r"8\.8\.8\.8 is a public or cloud resolver"):
        connect(monkeypatch, "dns.example").get_conn()


def test_a_name_without_an_address_is_a_name_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its container may be starting: worth another try, unlike a mistake in the connection."""
    _looked_up(monkeypatch)
    with pytest.raises(Unreachable, match="name server 'unbound' has no address"):
        connect(monkeypatch, "unbound").get_conn()
    fine, told = connect(monkeypatch, "unbound").test_connection()
    assert not fine
    assert "see that the name server runs" in told


@pytest.mark.parametrize(
    "extra", [{"timeout": "soon"}, {"tries": [3]}, {"nameservers": "dns.example"}], ids=str
)
def test_a_wrong_extra_is_named(monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="connection dns_resolver_default"):
        connect(monkeypatch, "127.0.0.1", **extra).get_conn()


@pytest.mark.parametrize(
    ("text", "nameserver"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:5353", ("192.0.2.53", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", ("2001:db8::53", 5353)),
    ],
)
def test_name_servers_are_written_as_usual(text: str, nameserver: tuple[str, int]) -> None:
    assert parse_nameserver(text) == nameserver


@pytest.mark.parametrize(
    "keys",
    [{"spamhaus": "abcdefghijklmnopqrstuvwxyz"}, "spamhaus=abcdefghijklmnopqrstuvwxyz, junk"],
    ids=["mapping", "text"],
)
def test_list_keys_come_from_the_connection(monkeypatch: pytest.MonkeyPatch, keys: Any) -> None:
    hook = connect(monkeypatch, "127.0.0.1", list_api_keys=keys)
    assert hook.blocklist_keys() == {"spamhaus": "abcdefghijklmnopqrstuvwxyz"}
    assert "abcdef" not in repr(hook.get_conn())
