"""Every small configuration file is read in one style: all its mistakes at once, each with file, line, path, what stands there
and what is allowed; whatever the file is, it is read or refused, and never half understood."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from email_engine.accounting.lexicon_file import parse_words
from email_engine.accounting.policy import parse_accounting_policy
from email_engine.accounting.replies import read_categories, read_receivers
from email_engine.blocklists.config import load_blocklists, parse_blocklists
from email_engine.dkim.policy import parse_dkim_policy
from email_engine.doctor.finding import DoctorFinding, Named, ok, run_check
from email_engine.errors import InputError
from email_engine.fleet.config_file import LARGEST_FILE, parse_config
from email_engine.fleet.mistakes import FileInvalid
from email_engine.fleet.providers import parse_providers
from email_engine.health.policy import parse_health_policy
from email_engine.hygiene.policy import parse_hygiene_policy
from email_engine.mailer.policy import parse_quota_policy
from email_engine.paths import CONFIG
from email_engine.pipelines.pmta_config_deploy.words import failure_text
from email_engine.pmta.config.deploy_policy import parse_policy
from email_engine.simulation.scenario_file import load_scenario, parse_scenario
from email_engine.suppression.policy import parse_suppression_policy


@dataclass(frozen=True)
class Slip:
    """`old`, once in the shipped file, becomes `new`; the mistake is told at the line of `at` (default: `new`)."""

    old: str
    new: str
    told: str
    at: str = ""


@dataclass(frozen=True)
class SmallFile:
    name: str
    parse: Callable[[str, str], object]
    slips: tuple[Slip, Slip, Slip]

    @property
    def text(self) -> str:
        return (CONFIG / self.name).read_text(encoding="utf-8")

    @property
    def label(self) -> str:
        return self.name.rpartition("/")[2]


def _parse_policy(text: str, source: str) -> object:
    """With short files beside it: theirs are tests of their own."""
    replies = "replies: [{ from: A, source: https://a.example/, patterns: [{ pattern: abc, actions: skip-mx, means: rate, sample: abc }] }]"
    categories = (
        "categories: [{ category: bad-mailbox, means: address, patterns: [{ pattern: abc, sample: abc }] }]"
    )
    return parse_policy(text, source, replies, categories)


FILES = (
    SmallFile("accounting.yaml", parse_accounting_policy, (
        Slip("largest_rejected_rate: 0.01", "largest_rejected_rate: 1%", "largest_rejected_rate: '1%'; allowed: a rate from 0 to below 1, like 0.01"),
        Slip("origin_days: 30", "origin_dyas: 30", "origin_dyas: unknown key; allowed: did you mean 'origin_days'? One of clock_skew_minutes, kept_of_refused, largest_rejected_rate, largest_unknown_rate, origin_days, quiet_seconds, unknown_from"),
        Slip("quiet_seconds: 10", "quiet_seconds: 10\nquiet_seconds: 20", "quiet_seconds: the key stands twice; allowed: once", "quiet_seconds: 20"),
    )),
    SmallFile("dkim.yaml", parse_dkim_policy, (
        Slip("rotate_after_days: 180", "rotate_after_days: 6m", "rotate_after_days: '6m'; allowed: a whole number such as 100, from 30 to 730"),
        Slip("seen_hours: 20", "sean_hours: 20", "sean_hours: unknown key; allowed: did you mean 'seen_hours'? One of overlap_days, remind_days, rotate_after_days, seen_hours"),
        Slip("overlap_days: 14", "overlap_days: 3", "overlap_days: 3; allowed: a whole number from 7 to 90"),
    )),
    SmallFile("health.yaml", parse_health_policy, (
        Slip("critical_seconds: 300", "critical_seconds: 300s", "clock.critical_seconds: '300s'; allowed: a whole number such as 100, from 5 to 86400"),
        Slip("backoff_minimum: 1000", "backof_minimum: 1000", "queues.backof_minimum: unknown key; allowed: did you mean 'backoff_minimum'? One of accounting_behind_minutes, backoff_minimum, backoff_percent, days_waiting, oldest_minutes"),
        Slip("history:\n  kept_days: 30 #", "history: 30 #", "history: found a number; allowed: a mapping"),
    )),
    SmallFile("mailer.yaml", parse_quota_policy, (
        Slip("spread_hours: 10", "spread_hours: 10.5", "quotas.spread_hours: '10.5'; allowed: a whole number such as 24, from 1 to 24"),
        Slip("hourly_max: 1000", "hour_max: 1000", "quotas.hour_max: unknown key; allowed: did you mean 'hourly_max'? One of drift, hourly_max, server_types, spread_hours"),
        Slip("[smtp, smtp-pmta, smtp-postmastery]", "{ smtp: yes }", "quotas.server_types: found a mapping; allowed: a list of texts"),
        Slip("send-campaigns: 10", "send-campaign: 10", "health.not_started_minutes.send-campaign: unknown key; allowed: did you mean 'send-campaigns'? One of bounce-handler, daily, feedback-loop-handler, hourly, send-campaigns"),
        Slip("machine_seconds: 10", "machine_seconds: soon", "opens.machine_seconds: 'soon'; allowed: a whole number such as 0, from 0 to 3600"),
        Slip("silent_minutes: 30", "silent_minutes: 0", "health.silent_minutes: 0; allowed: a whole number from 1 to 1440"),
    )),
    SmallFile("suppression.yaml", parse_suppression_policy, (
        Slip("soft_in_row: 3", "soft_in_row: 0", "soft_in_row: 0; allowed: a whole number from 1 to 20"),
        Slip("  unknown_rate: 0.5", "  unknown_rate: 50", "outage.unknown_rate: '50'; allowed: a share from 0.05 to 1, like 0.5"),
        Slip("webhook: true", "web_hook: true", "web_hook: unknown key; allowed: did you mean 'webhook'? One of batch, keep_days, minutes, outage, requests_per_second, soft_days, soft_in_row, tries, webhook"),
    )),
    SmallFile("hygiene.yaml", parse_hygiene_policy, (
        Slip("silent_months: 6", "silent_months: 0", "silent_months: 0; allowed: a whole number from 1 to 36"),
        Slip("unsubscribed: false", "unsubscribed: maybe", "unsubscribed: 'maybe'; allowed: true or false"),
        Slip("engaged_days: 30", "engaged_day: 30", "engaged_day: unknown key; allowed: did you mean 'engaged_days'? One of engaged_days, files, minutes, silent_mails, silent_months, unsubscribed, well_known, window"),
    )),
    SmallFile("blocklists.yaml", parse_blocklists, (
        Slip("127.0.0.3: {sublist: CSS, class: reputation, severity: high}", "127.0.0.3: {sublist: CSS, class: repute, severity: high}", "lists[0].codes.127.0.0.3.class: 'repute'; allowed: did you mean 'reputation'? One of error, info, policy, reputation"),
        Slip("zone: bl.spamcop.net", "zone: bl.spamcop.net\n    kay: spamcop", "lists[1].kay: unknown key; allowed: did you mean 'key'? One of bits, codes, default, delisting, expires_hours, ipv6, key, key_required, keyed_zone, limits, lists, message, name, probe, status, title, zone", "kay:"),
        Slip("127.0.0.2: {sublist: BRBL, class: reputation, severity: high}", "127.0.0.2: {sublist: BRBL, class: reputation}\n      127.0.0.2: {class: policy}", "lists[2].codes.127.0.0.2: the key stands twice; allowed: once", "127.0.0.2: {class: policy}"),
    )),
    SmallFile("deploy.yaml", _parse_policy, (
        Slip("pool_share_percent: 50", "pool_share_percent: 150", "caps.pool_share_percent: 150; allowed: a whole number from 0 to 100"),
        Slip("- name: microsoft", "- name: mircosoft", "providers[1].name: 'mircosoft'; allowed: did you mean 'microsoft'? One of free, gmail, gmx, icloud, laposte, microsoft, orange, proton, sfr, yahoo"),
        Slip("rollups: true", "rollup: true", "rollup: unknown key; allowed: did you mean 'rollups'? One of accounting, bounce_categories, caps, guard, providers, queues, rollups, watch"),
    )),
    SmallFile("replies.yaml", lambda text, name: parse_config(text, name, read_receivers), (
        Slip("pattern: RP-00[1-3]", "pattern: RP-00[1-3", "replies[1].patterns[5].pattern: 'RP-00[1-3'; allowed: a regular expression of letters, digits, blanks and .,:;_()|?*+[]=@^$-"),
        Slip("pattern: BL2[0-9]. Connections will not be accepted\n        actions:", "pattern: BL2[0-9]. Connections will not be accepted\n        action:", "replies[2].patterns[4].action: unknown key; allowed: did you mean 'actions'? One of actions, list, means, pattern, sample", "        action:"),
        Slip("pattern: Poor Reputation Sender\n        actions: mode=backoff,backoff-to-normal-after=4h\n        means: reputation", "pattern: Poor Reputation Sender\n        actions: mode=backoff\n        means: repute", "replies[15].patterns[0].means: 'repute'; allowed: did you mean 'reputation'? One of address, auth, content, rate, reputation, system", "means: repute\n"),
    )),
    SmallFile("bounce_categories.yaml", lambda text, name: parse_config(text, name, read_categories), (
        Slip("- category: relaying-issues", "- category: relaying", "categories[6].category: 'relaying'; allowed: did you mean 'relaying-issues'? One of bad-configuration, bad-connection, bad-domain, bad-mailbox, content-related, inactive-mailbox, invalid-sender, message-expired, no-answer-from-host, policy-related, protocol-errors, quota-issues, relaying-issues, routing-errors, spam-related, virus-related (what nothing matches is `other` anyway)"),
        Slip('- { words: "reputation", sample:', '- { words: "reputation", sampel:', "categories[18].patterns[1].sampel: unknown key; allowed: did you mean 'sample'? One of means, pattern, sample, status, words"),
        Slip('- { status: x.2.2,', '- [ ]\n      - { status: x.2.2,', "categories[9].patterns[0]: found a list; allowed: a mapping", "- [ ]"),
    )),
    SmallFile("lexicon.yaml", parse_words, (
        Slip("    at: yahoo\n", "    at: yaho\n", "texts[0].at: 'yaho'; allowed: did you mean 'yahoo'? One of free, gmail, gmx, icloud, laposte, microsoft, orange, proton, sfr, yahoo"),
        Slip("content: [x.2.3, x.3.4, x.6]", "content: [x.2.3, x.3.4, 5.6]", "statuses.content[2]: '5.6'; allowed: a status such as x.1.1"),
        Slip("name: dnsbl.example.net", "name: dnsbl.example.org", "zones[1].sample: '550 5.7.1 192.0.2.1 is listed at dnsbl.example.net' does not name dnsbl.example.org; allowed: a reply whose list is the first group", "is listed at dnsbl.example.net"),
    )),
    SmallFile("providers.yaml", parse_providers, (
        Slip('mx: ["*.google.com", "*.googlemail.com"]', 'mx: ["*.google.com", "mx.*.googlemail.com"]', "providers[0].mx[1]: 'mx.*.googlemail.com'; allowed: a full host name of lower case letters, digits and - (international names as xn--...), or *. before one"),
        Slip("title: Outlook.com, Hotmail and Microsoft 365", "titel: Outlook.com, Hotmail and Microsoft 365", "providers[1].titel: unknown key; allowed: did you mean 'title'? One of domains, feedback, mx, name, title"),
        Slip("- name: yahoo", "- name: gmail", "providers[2].name: gmail stands twice; allowed: each once", "- name: gmail\n    title: Yahoo"),
    )),
    SmallFile("scenarios/mixed.yaml", parse_scenario, (
        Slip("spread_rate: 0.05 }", "spread_rate: .nan }", "demand.spread_rate: '.nan'; allowed: a ratio from 0 to 1, like 0.05"),
        Slip("{ name: bad, share: 0.1,", "{ name: bad, share: 10%,", "kinds[1].share: '10%'; allowed: a ratio from 0 to 1, like 0.05"),
        Slip("provider: microsoft, pressure_rate", "provider: mircosoft, pressure_rate", "events[1].provider: 'mircosoft'; allowed: did you mean 'microsoft'? One of gmail, microsoft, other, yahoo"),
    )),
)  # fmt: skip
every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.label)


def _told(file: SmallFile, text: str) -> list[str]:
    try:
        file.parse(text, file.label)
    except FileInvalid as refused:
        return [str(mistake) for mistake in refused.mistakes]
    return []


def _refused(file: SmallFile, text: str) -> list[str]:
    with pytest.raises(FileInvalid) as caught:
        file.parse(text, file.label)
    assert str(caught.value).endswith("\nNext: correct every line above and check the file again")
    return [str(mistake) for mistake in caught.value.mistakes]


@every_file
def test_what_ships_is_right_whatever_ends_its_lines(file: SmallFile) -> None:
    read = file.parse(file.text, file.label)
    if not hasattr(read, "digest"):
        assert file.parse("\ufeff" + file.text.replace("\n", "\r\n"), file.label) == read


@every_file
def test_three_mistakes_are_three_lines_each_with_its_place(file: SmallFile) -> None:
    text = file.text
    for slip in file.slips:
        assert text.count(slip.old) == 1, slip.old
        text = text.replace(slip.old, slip.new)
    found = _refused(file, text)
    lines = [text.count("\n", 0, text.index(slip.at or slip.new)) + 1 for slip in file.slips]
    told = sorted(zip(lines, (slip.told for slip in file.slips), strict=True))
    assert found == [f"{file.label}:{line}: {what}" for line, what in told]


LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40)
)


@every_file
@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "1: the file is empty; allowed: a mapping", id="empty"),
        pytest.param("# later\n---\n", "1: found nothing; allowed: a mapping", id="a comment"),
        pytest.param("- a\n", "1: found a list; allowed: a mapping", id="a list"),
        pytest.param("42\n", "1: found a number; allowed: a mapping", id="a number"),
        pytest.param("a: 1\n\tb: 2\n", "2: a tab at line 2 column 1; indent with blanks", id="a tab"),
        pytest.param("a: [\n", "1: the [ that opens here never closes", id="an open bracket"),
        pytest.param("a: 1\n---\nb: 2\n", "2: a second document begins here", id="two documents"),
        pytest.param("a: \x00\n", "1: not YAML: the character '\\x00'", id="a zero byte"),
        pytest.param("a: &a [*a]\n", "1: an alias repeats something that it stands in", id="an endless alias"),
        pytest.param(LAUGHS, "6: ", id="aliases of aliases"),
        pytest.param("a: " + "[" * 5000, "1: more than 100 levels deep", id="very deep"),
        pytest.param("a:\n" + "- x\n" * 200_000, "99999: more than 100,000 keys", id="very long"),
        pytest.param("? [a]\n: 1\n", "1: a key that is no word", id="a list as a key"),
        pytest.param("a: !!python/object:os.system x\n", "1: a: unknown key", id="a tag"),
    ],
)  # fmt: skip
def test_an_uneven_file_is_refused_in_its_line(file: SmallFile, text: str, told: str) -> None:
    begin = time.process_time()
    found = _refused(file, text)
    assert any(mistake.startswith(f"{file.label}:{told}") for mistake in found), found[:3]
    assert time.process_time() - begin < 5


ODD = (
    "", "null", "~", "true", "no", "-1", "0", "1e400", ".nan", "-.inf", "0x10", "1_0", "1:30", "2026-05-01",
    "2026-05-01T00:00:00Z", "9" * 5000, "'" + "x" * 100_000 + "'", "[]", "{}", "[[]]", "[null, 1]", "{ a: { b: c } }",
    '"\\0"', "'\u202e'", "'٣'", "!!binary aGk=", "!!set { a }", "<<", "|\n  two\n  lines",
)  # fmt: skip


def _values(text: str) -> list[int]:
    """Numbers of the lines that hold a key and one value."""
    parts = [line.partition(": ") for line in text.splitlines()]
    return [
        number
        for number, (key, colon, value) in enumerate(parts)
        if colon and value.strip() and value[0] not in "&>|" and not {"#", "{"} & set(key)
    ]


@every_file
def test_an_odd_value_anywhere_is_read_or_told_with_its_line(file: SmallFile) -> None:
    """Each odd value in one line of the file, another line for each; in every one of a short file."""
    lines, places = file.text.splitlines(), _values(file.text)
    for number, odd in enumerate(ODD):
        for place in places if len(places) < 12 else [places[number * 7 % len(places)]]:
            key = lines[place].partition(": ")[0]
            changed = "\n".join([*lines[:place], f"{key}: {odd}", *lines[place + 1 :]])
            told = _told(file, changed)
            assert len("".join(told)) < 20_000
            assert not told or any(int(one.split(":")[1]) <= place + 5 for one in told), told


@every_file
def test_each_top_key_is_missed_once_and_may_stand_once(file: SmallFile) -> None:
    keys = [line.partition(":")[0] for line in file.text.splitlines() if line[:1].isalpha()]
    assert keys
    for key in keys:
        assert any(
            f": {key}: the key stands twice" in one for one in _refused(file, f"{file.text}\n{key}: 1\n")
        )
        (told,) = _told(file, file.text.replace(f"\n{key}:", f"\n{key}x:"))
        assert f": {key}x: unknown key; allowed: did you mean '{key}'" in told


def test_mistakes_are_told_where_an_error_stands_in_parts() -> None:
    """In the doctor's list and in an alert about a deployment, which show no whole text of an error."""

    def check() -> DoctorFinding:
        parse_policy("caps: {}\n", "deploy.yaml")
        return ok("policy", "fine")

    found = run_check(Named("policy", check))
    assert found.seen.startswith(
        "deploy.yaml: 9 mistakes: deploy.yaml:1: queues: missing; allowed: a mapping of "
    )
    with pytest.raises(FileInvalid) as caught:
        parse_policy("caps: {}\n" + "x: 1\n" * 500, "deploy.yaml")
    alert = failure_text("mta-1", caught.value, planning=True)
    assert "deploy.yaml:1: queues: missing" in alert
    assert alert.endswith("\nNext: correct every line above and check the file again")
    assert len(alert) < 2000


def test_what_is_no_text_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lists.yaml"
    for data, told in (
        (b"lists:\n- name: \xe9\n", "byte 15, 0xe9 in line 2, is not UTF-8"),
        ("lists: []".encode("utf-16"), "byte 0, 0xff in line 1, is not UTF-8"),
        (b"#" * (LARGEST_FILE + 1), "more than 8,000,000 bytes"),
    ):
        path.write_bytes(data)
        for read in (load_blocklists, lambda file: load_scenario(str(file))):
            with pytest.raises(InputError, match=told):
                read(path)
    with pytest.raises(InputError, match="Is a directory"):
        load_blocklists(tmp_path)
