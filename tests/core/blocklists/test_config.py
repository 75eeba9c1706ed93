"""The files of block lists: those that ship, and every way to get one wrong."""

from pathlib import Path

import pytest

from email_engine import paths
from email_engine.blocklists.config import (
    blocklists_path,
    load_blocklists,
    load_confirm_after,
    parse_blocklists,
    policy_digest,
)
from email_engine.blocklists.model import ListClass, ListStatus, Severity
from email_engine.errors import InputError

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
        ("lists: [", "line 1: not YAML"),
        ("[]", "no `lists:`"),
        ("lists: [3]", "lists[0]: a mapping wanted"),
        (GOOD.replace("name: zen", "name: ZEN!"), "name 'ZEN!'"),
        (GOOD.replace("zen.example.net", "zen example"), "zone 'zen example'"),
        (GOOD.replace("zen.example.net", "dnsbl.sorbs.net") + "\nretired_zones: {sorbs.net: shut down}", "is dead: shut down"),
        (GOOD.replace("127.0.0.2", "127.0.0.1"), "can be no return code"),
        (GOOD.replace("127.0.0.2", "10.0.0.2"), "can be no return code"),
        (GOOD.replace("reputation", "bad"), "class 'bad' is none of"),
        (GOOD.replace("high", "critical"), "severity 'critical' is none of"),
        (GOOD.replace("codes:", "kodes:"), "unknown field 'kodes'"),
        (GOOD + "    ipv6: maybe", "ipv6 'maybe'"),
        (GOOD + "    probe: maybe", "probe:"),
        (GOOD + "    probe: {listed: [x]}", "probe code 'x'"),
        (GOOD + "    key: spamhaus", "keyed_zone must begin with {key}."),
        (GOOD + "    key_required: true", "without key"),
        (GOOD + "    status: retired", "needs a message"),
        (GOOD + GOOD.replace("\nlists:\n", ""), "name 'zen' twice"),
        ("lists: [{name: zen, zone: zen.example.net}]", "neither codes nor default"),
    ],
    ids=lambda value: value if len(value) < 40 else "",
)  # fmt: skip
def test_a_mistake_is_named_with_its_list(text: str, mistake: str) -> None:
    with pytest.raises(InputError, match="nothing was asked") as caught:
        parse_blocklists(text, "lists.yaml")
    assert mistake in caught.value.observed
    assert caught.value.subject == "lists.yaml"


def test_all_mistakes_are_told_at_once() -> None:
    text = GOOD.replace("reputation", "bad").replace("high", "critical") + "    colour: red"
    with pytest.raises(InputError) as caught:
        parse_blocklists(text)
    assert caught.value.observed.count("lists[0] zen:") == 3


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
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


@pytest.mark.parametrize("wrong", ["1m", "-1", "601", "2.5", "true", "[1]", "x" * 10_000])
def test_a_wrong_time_is_named_whoever_reads_the_file(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "lists.yaml"
    path.write_text(GOOD + f"\nconfirm_after: {wrong}\n")
    for read in (load_blocklists, load_confirm_after):
        with pytest.raises(InputError, match="whole number of seconds from 0 to 600") as caught:
            read(path)
        assert len(str(caught.value)) < 500


def test_the_lab_waits_two_seconds() -> None:
    assert load_confirm_after(paths.CONFIG / "blocklists.lab.yaml").total_seconds() == 2
