"""The files of block lists: those that ship, and every way to get one wrong."""

from datetime import timedelta
from pathlib import Path

import pytest

from email_engine import paths
from email_engine.blocklists.config import (
    blocklists_path,
    load_blocklists,
    load_confirm_after,
    load_every_hours,
    parse_blocklists,
    policy_digest,
)
from email_engine.blocklists.judge import judge_answer
from email_engine.blocklists.model import Limits, ListClass, Lists, ListStatus, NotKnown, Severity
from email_engine.dns_answers import Found
from email_engine.errors import InputError
from email_engine.fleet.mistakes import FileInvalid

GOOD = """
lists:
  - name: zen
    zone: zen.example.net
    codes: {127.0.0.2: {sublist: SBL, class: reputation, severity: high}}
"""


def test_the_shipped_lists_follow_the_facts() -> None:
    lists, digest = load_blocklists(paths.CONFIG / "blocklists.yaml")
    by_name = {x.name: x for x in lists}
    zen = by_name["spamhaus-zen"]
    assert {
        str(a): c.list_class for a, c in zen.codes.items() if c.list_class is not ListClass.REPUTATION
    } == {
        "127.0.0.10": "policy",
        "127.0.0.11": "policy",
    }
    assert all(
        c.list_class is ListClass.INFO
        for n in ("uceprotect-2", "uceprotect-3")
        for c in by_name[n].codes.values()
    )
    assert by_name["sorbs"].status is ListStatus.RETIRED
    assert "2024" in by_name["sorbs"].message
    assert by_name["abusix"].zone_to_ask({}) is None
    assert by_name["abusix"].zone_to_ask({"abusix": "k"}) == "k.combined.mail.abusix.zone"
    assert zen.zone_to_ask({}) == "zen.spamhaus.org"
    assert zen.zone_to_ask({"spamhaus": "k"}) == "k.zen.dq.spamhaus.net"
    assert all(x.delisting for x in lists if x.status is ListStatus.ACTIVE)
    assert len(digest) == 12


def test_the_lab_has_its_seven_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_ENGINE_BLOCKLISTS", str(paths.CONFIG / "blocklists.lab.yaml"))
    lists, _ = load_blocklists()
    active = [x.zone for x in lists if x.status is ListStatus.ACTIVE]
    kinds = ("zen", "bl", "dead", "public", "empty", "servfail", "silent")
    assert active == [f"{kind}.lab.example" for kind in kinds]


def test_without_the_variable_the_shipped_file_is_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMAIL_ENGINE_BLOCKLISTS", raising=False)
    assert blocklists_path() == paths.CONFIG / "blocklists.yaml"


def test_a_list_is_read_with_its_table() -> None:
    (zen,) = parse_blocklists(GOOD)
    ((address, code),) = zen.codes.items()
    assert (str(address), code.sublist, code.severity) == ("127.0.0.2", "SBL", Severity.HIGH)
    assert zen.probe.has_test_point
    assert policy_digest(GOOD) != policy_digest(GOOD + " ")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("lists: [", "1: the [ that opens here never closes"),
        ("[]", "1: found a list"),
        ("zones: []", "1: lists: missing"),
        ("lists: [3]", "1: lists[0]: found a number; allowed: a mapping"),
        (GOOD.replace("name: zen", "name: ZEN!"), "3: lists[0].name: 'ZEN!'"),
        (GOOD.replace("zen.example.net", "zen example"), "4: lists[0].zone: 'zen example'"),
        (GOOD.replace("zen.example.net", "dnsbl.sorbs.net") + "\nretired_zones: {sorbs.net: shut down}", "4: lists[0].zone: dnsbl.sorbs.net is dead: shut down"),
        (GOOD + "\nretired_zones: {SORBS.net: shut down}", "7: retired_zones.SORBS.net: 'SORBS.net'"),
        (GOOD.replace("127.0.0.2", "127.0.0.1"), "5: lists[0].codes.127.0.0.1: '127.0.0.1'; allowed: a return code"),
        (GOOD.replace("127.0.0.2", "10.0.0.2"), "5: lists[0].codes.10.0.0.2: '10.0.0.2'; allowed: a return code"),
        (GOOD.replace("reputation", "bad"), "5: lists[0].codes.127.0.0.2.class: 'bad'; allowed: one of error, info, policy, reputation"),
        (GOOD.replace("high", "hihg"), "5: lists[0].codes.127.0.0.2.severity: 'hihg'; allowed: did you mean 'high'?"),
        (GOOD.replace("codes:", "kodes:"), "5: lists[0].kodes: unknown key; allowed: did you mean 'codes'?"),
        (GOOD.replace("{127.0.0.2: {sublist: SBL, class: reputation, severity: high}}", "{}"), "5: lists[0].codes: an empty mapping; allowed: return codes, or a default"),
        (GOOD + "    ipv6: maybe", "6: lists[0].ipv6: 'maybe'; allowed: true or false"),
        (GOOD + "    probe: maybe", "6: lists[0].probe: 'maybe'; allowed: none, or a mapping"),
        (GOOD + "    probe: {present: [a..b]}", "6: lists[0].probe.present[0]: 'a..b'; allowed: a name below the zone"),
        (GOOD + "    bits: {2: {sublist: black, class: reputation}}", "5: lists[0].codes: beside bits"),
        (GOOD.replace("codes: {127.0.0.2", "bits: {3"), "5: lists[0].bits.3: '3'; allowed: one of 1, 2, 4, 8, 16, 32, 64, 128"),
        (GOOD + "    limits: {a_second: 0}", "6: lists[0].limits.a_second: 0; allowed: a whole number from 1"),
        (GOOD + "    limits: {a_minute: 5}", "6: lists[0].limits.a_minute: unknown key"),
        (GOOD + "    expires_hours: soon", "6: lists[0].expires_hours: 'soon'"),
        (GOOD + "    lists: domains\n    ipv6: true", "7: lists[0].ipv6: true; allowed: false"),
        (GOOD + "every_hours: 5", "6: every_hours: 5; allowed: a part of a day"),
        (GOOD + "    probe: {listed: [x]}", "6: lists[0].probe.listed[0]: 'x'; allowed: a return code"),
        (GOOD + "    key: spamhaus", "3: lists[0].keyed_zone: missing; allowed: the zone with {key}. in front"),
        (GOOD + "    key: spamhaus\n    keyed_zone: zen.{key}.example", "7: lists[0].keyed_zone: 'zen.{key}.example'"),
        (GOOD + "    key_required: true", "3: lists[0].key: missing"),
        (GOOD + "    status: retired", "3: lists[0].message: missing; allowed: what people are told"),
        (GOOD + GOOD.replace("\nlists:\n", ""), "6: lists[1].name: zen stands twice"),
        (GOOD + GOOD.replace("\nlists:\n", ""), "7: lists[1].zone: zen.example.net stands twice"),
        ("lists: [{name: zen, zone: zen.example.net}]", "1: lists[0].codes: missing; allowed: return codes, or a default"),
    ],
    ids=lambda value: value if len(value) < 40 else "",
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(text: str, mistake: str) -> None:
    with pytest.raises(FileInvalid) as caught:
        parse_blocklists(text, "lists.yaml")
    assert f"\n  lists.yaml:{mistake}" in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    text = GOOD.replace("reputation", "bad").replace("high", "critical") + "    colour: red"
    with pytest.raises(FileInvalid) as caught:
        parse_blocklists(text)
    assert len(caught.value.mistakes) == 3


def test_what_an_operator_allows_and_when_listings_fall_is_read() -> None:
    more = "    limits: {a_second: 20, a_day: 5_000}\n    expires_hours: 28\n    probe: {present: [2.0.0.127, x]}\nevery_hours: 1\n"
    (zen,) = parse_blocklists(GOOD + more)
    assert (zen.limits, zen.expires) == (Limits(20, 5000), timedelta(hours=28))
    assert zen.probe.present == ("2.0.0.127", "x")


def test_lists_of_domains_ship_with_their_own_test_names() -> None:
    lists, _ = load_blocklists(paths.CONFIG / "blocklists.yaml")
    domains = {x.name: x for x in lists if x.lists is Lists.DOMAINS}
    assert domains.keys() == {"spamhaus-dbl", "spamhaus-zrd", "surbl", "uribl"}
    assert all("test" in x.probe.present and x.probe.absent == ("invalid",) for x in domains.values())
    asked_about_an_ip = judge_answer(domains["spamhaus-dbl"], Found(("127.0.1.255",)))
    assert asked_about_an_ip == NotKnown("answer 127.0.1.255: asked about an IP", fault=True)
    assert domains["spamhaus-zrd"].zone_to_ask({}) is None
    assert load_every_hours(paths.CONFIG / "blocklists.yaml") == 4


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No such file.*Next: correct EMAIL_ENGINE_BLOCKLISTS or the file"):
        load_blocklists(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(GOOD, 60), (GOOD + "\nconfirm_after: 0\n", 0), (GOOD + "\nconfirm_after: 600\n", 600)],
)
def test_a_new_listing_is_asked_for_again_when_the_file_says(tmp_path: Path, text: str, seconds: int) -> None:
    path = tmp_path / "lists.yaml"
    path.write_text(text)
    assert load_confirm_after(path).total_seconds() == seconds
    assert len(parse_blocklists(text)) == 1


@pytest.mark.parametrize(
    "wrong", ["1m", "-1", "601", "2.5", "true", "[1]", "x" * 10_000, ".nan", "2026-05-01", "1_0_0_0", "'60'"]
)
def test_a_wrong_time_is_named_whoever_reads_the_file(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "lists.yaml"
    path.write_text(GOOD + f"\nconfirm_after: {wrong}\n")
    for read in (load_blocklists, load_confirm_after):
        with pytest.raises(
            InputError, match=r"confirm_after: .*whole number (such as \d+, )?from 0 to 600"
        ) as caught:
            read(path)
        assert len(str(caught.value)) < 500


def test_the_lab_waits_two_seconds() -> None:
    assert load_confirm_after(paths.CONFIG / "blocklists.lab.yaml").total_seconds() == 2
