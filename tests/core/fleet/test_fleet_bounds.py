"""A fleet file cannot surprise: what is too large is counted and refused before it is expanded, what is too long is cut, and
paths lead nowhere else."""

import tracemalloc

import pytest

from email_engine.fleet.mistakes import MOST_SHOWN
from email_engine.plural import brief, excerpt
from tests.core.fleet.test_fleet_rules import only
from tests.core.fleet.test_hosts_and_addresses import BASE, with_host
from tests.core.fleet.test_parse_fleet import EXAMPLE, changed, line_of, mistakes, read
from tests.work import calls

RANGE = """          - &r
            first: {first}
            count: 4096
            hostname: mail{{n}}.x{n}.example
            domain: "m{{n}}.x{n}.example"
            vmta: x{n}-{{n}}
            hosts: [mta-1]
            mailwizz_first_server_id: {server}
            dkim: {{ selector: s1, key_path: "/etc/pmta/dkim/x.pem" }}
"""
LONG = "x" * 1_048_576


def _ranges(count: int) -> str:
    """The example with as many ranges of 4,096 more in its first stream."""
    more = "".join(
        RANGE.format(first=f"45.{n % 200}.1.1", n=n, server=10_000 * n).replace("&r\n            ", "")
        for n in range(1, count + 1)
    )
    return EXAMPLE.replace("\n  - name: borealis\n", f"\n{more}\n  - name: borealis\n", 1)


def _aliases(count: int) -> str:
    first = RANGE.format(first="45.1.1.1", n=1, server=10_000)
    text = EXAMPLE.replace(
        "\n  - name: borealis\n", f"\n{first}" + "          - *r\n" * count + "\n  - name: borealis\n", 1
    )
    assert "*r" in text
    return text


def _laughs() -> str:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(_ranges(3), "the file means 12,388 IPs; allowed: at most 10,000 in a fleet", id="three ranges"),
        pytest.param(_ranges(500), "the file means 2,048,100 IPs; allowed: at most 10,000 in a fleet", id="many ranges"),
        pytest.param(_aliases(500), "the file means 2,052,196 IPs; allowed: at most 10,000 in a fleet", id="one range, many aliases"),
        pytest.param(_aliases(30_000), " keys and values once its aliases are followed; allowed: at most 100,000", id="very many aliases"),
        pytest.param(_laughs(), " keys and values once its aliases are followed; allowed: at most 100,000", id="aliases of aliases"),
        pytest.param("a: &a [*a]\n", "fleet.yaml:1: an alias repeats something that it stands in", id="an alias of itself"),
        pytest.param("a:\n" + "- x\n" * 200_000, "more than 100,000 keys and values; allowed: at most 100,000", id="very many values"),
        pytest.param(changed("count: 50", "count: 99999999999999999999"), "count: 99999999999999999999; allowed: a whole number from 1 to 4096", id="a giant count"),
        pytest.param(changed("first: 198.51.100.1\n            count: 50", 'range: "2001:db8::1-2001:db8:ffff::1"'), "range: 79,226,953,588,444,722,964,369,244,161 addresses, more than 4096", id="a large range of IPv6"),
        pytest.param(changed("first: 198.51.100.1\n            count: 50", 'range: "2001:db8::/32"'), "a network of 79,228,162,514,264,337,593,543,950,336 addresses", id="a network of IPv6"),
        pytest.param(changed("first: 198.51.100.1\n            count: 50", "range: 45.0.0.1-45.255.0.1"), "range: 16,711,681 addresses, more than 4096", id="a large range of IPv4"),
    ],
)  # fmt: skip
def test_what_is_too_large_is_refused_before_it_is_expanded(text: str, told: str) -> None:
    tracemalloc.start()
    found = mistakes(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told in "\n".join(found)
    assert peak < 60_000_000


@pytest.mark.parametrize(
    "text", [_ranges(500), _aliases(500), _aliases(30_000), _laughs()], ids=["ranges", "aliases", "many aliases", "laughs"]
)  # fmt: skip
def test_counting_is_less_work_than_reading_and_far_less_than_expanding(text: str) -> None:
    """Each means two million IPs or more, in text or through aliases."""
    assert calls(lambda: mistakes(text)) < 3 * len(text) + 10_000


@pytest.mark.parametrize(
    "text",
    [
        "a b\n" + "\n" * 500_000 + "c: d: e\n",
        "a: " + "b: " * 300_000,
        "\t" * 1_000_000,
        "- " * 300_000,
        'a: "' + LONG,
    ],
    ids=["blank lines", "colons", "tabs", "dashes", "a quote"],
)
def test_a_mistake_in_a_long_file_is_found_in_one_reading(text: str) -> None:
    found: list[str] = []
    assert calls(lambda: found.extend(mistakes(text))) < 2 * len(text)
    assert len(found) == 1


def test_the_entry_that_makes_them_too_many_is_named() -> None:
    text = _ranges(3)
    found = next(m for m in mistakes(text) if "the file means" in m)
    assert found.startswith(f"fleet.yaml:{line_of(text, 'first: 45.3.1.1')}: tenants[0].streams[0].ips[3]")


def test_other_mistakes_are_told_beside_too_many_ips() -> None:
    found = "\n".join(mistakes(_ranges(3).replace("mode: act", "mode: atc", 1)))
    assert "the file means" in found
    assert "'atc'" in found


def test_eight_thousand_ips_are_not_too_many() -> None:
    text = _ranges(2).replace("count: 4096", "count: 4000")
    assert len(read(text).ips) == 8100


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title: Aurora Travel", f"title: {LONG}"),
        ("name: aurora\n    title", f"name: {LONG}\n    title"),
        ("    title: Aurora Travel", f"    {LONG[:1000]}: 1\n    title: {LONG}"),
        ("daily_quota: 600000", f"daily_quota: {LONG}"),
        ("daily_quota: 600000", f"daily_quota: '{LONG}'"),
        ("daily_quota: 600000", f"daily_quota: {'1' * 1_048_576}"),
        ("mode: act", f"mode: {LONG}"),
        ("first: 198.51.100.1", f"first: {LONG}"),
        ("first: 198.51.100.1\n            count: 50", f"range: {LONG}"),
        ("hostname: mail{n}.aurora-mail.example", f"hostname: '{{{LONG}}}'"),
        ("brand_domains: [aurora.example]", f"brand_domains: [{LONG}]"),
        ("addresses: [192.0.2.10]", f"addresses: [{LONG}]"),
        ("schedule: six_week", f"schedule: {LONG}"),
        ("mailwizz: mw-aurora", f"mailwizz: {LONG}"),
        ("connection: powermta_mta-1", f"config_file: /etc/pmta/{LONG}.conf"),
        ("connection: powermta_mta-1", f"accounting_dir: {'/aaaa' * 200_000}"),
        ("states: { active: 1-40,", f"states: {{ active: {LONG},"),
        ("version: 1", f"version: !<tag:{LONG}> 1"),
        ("title: Aurora Travel", f"title: Aurora: {LONG}"),
        ("title: Aurora Travel", f"title: {{a}}{LONG}"),
        ("title: Aurora Travel", f"title: *{LONG}"),
        ("consent: double opt-in", f"consent {LONG}"),
        ("consent: double opt-in", f"{LONG} double opt-in"),
    ],
)  # fmt: skip
def test_a_megabyte_is_never_echoed(old: str, new: str) -> None:
    for mistake in mistakes(changed(old, new)):
        assert len(mistake) < 1000
        assert "x" * 100 not in mistake


def test_a_long_value_shows_its_start_and_its_length() -> None:
    (mistake, *_) = mistakes(changed("title: Aurora Travel", f"title: {LONG}"))
    assert f"title: '{'x' * 80}'... (1,048,576 characters); allowed: 1-200" in mistake


@pytest.mark.parametrize("key", ["x" * 900, '"a\\nb"', '"\\e[31m"', "'clé'"])
def test_an_odd_key_stays_on_one_line_and_short(key: str) -> None:
    text = EXAMPLE.replace("version: 1\n", f"version: 1\n{key}: 1\n{key}: 2\n")
    found = mistakes(text)
    assert [m for m in found if "the key stands twice" in m]
    assert [m for m in found if "unknown key" in m]
    assert all(m.isprintable() and len(m) < 300 for m in found)


def test_a_name_that_is_given_twice_is_cut_too() -> None:
    label = "a" * 60
    domain = f"{label}.{label}.{label}.aurora-mail.example"
    found = only(changed('domain: "{prefix}{n}.aurora-mail.example"', f"domain: {domain}"))
    assert f"domain {label}.{'a' * 19}... (202 characters) and 48 more given more than once" in found


def test_a_file_of_mistakes_lists_the_first_hundred() -> None:
    from email_engine.fleet.mistakes import FleetInvalid
    from email_engine.fleet.parse import parse_fleet

    with pytest.raises(FleetInvalid) as caught:
        parse_fleet("".join(f"k{n}: 1\n" for n in range(5000)), "fleet.yaml")
    lines = str(caught.value).splitlines()
    assert len(lines) == MOST_SHOWN + 3
    assert lines[-2] == "  ... and 4,904 more"


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/etc/pmta.conf", "/etc/pmta/../passwd.conf", "/etc/pmta/./a.conf", "/etc/pmta//a.conf", "/etc/pmta/.conf",
     "/etc/pmta/a.conf/", "/etc/pmta/a.txt", "/etc/pmta/a", "etc/pmta/a.conf", "' /etc/pmta/a.conf'", "'/etc/pmta/a.conf '",
     '"/etc/pmta/a.conf\\n"', '"/etc/pmta/a\\n.conf"', "'/etc/pmta/a b.conf'", "'/etc/pmta/a\u00a0.conf'", "/ETC/pmta/a.conf",
     "/etc/pmta/a.CONF", "/etc/pmta/${HOME}.conf", "'/etc/pmta/`id`.conf'", "/etc/pmta-other/a.conf", "/var/../etc/pmta/a.conf",
     f"/etc/pmta/{'a/' * 200}b.conf"],
)  # fmt: skip
@pytest.mark.parametrize("base", ["", BASE])
def test_the_engine_writes_below_etc_pmta_alone(path: str, base: str) -> None:
    text = with_host(f"{base}    config_file: {path}\n")
    (mistake,) = mistakes(text)
    assert mistake.startswith(f"fleet.yaml:{line_of(text, 'config_file: ')}: mta_hosts[1].config_file: ")
    assert mistake.endswith(
        "allowed: a file of the engine's own below /etc/pmta/, such as /etc/pmta/email-engine.conf"
    )


@pytest.mark.parametrize("path", ["/etc/pmta/engine.conf", "/etc/pmta/conf.d/99-engine.conf"])
def test_a_file_of_its_own_may_have_another_name(path: str) -> None:
    assert read(with_host(f"    config_file: {path}\n")).mta_hosts[1].config_file == path


@pytest.mark.parametrize(
    "path",
    ["/", "/etc", "/etc/pmta", "/var", "/var/log", "/usr/bin", "/root/x", "/proc/1", "/var/log/", "/var/log/pmta/../x",
     "/var/log//pmta", "var/log/pmta", "'/var/log/p m'", '"/var/log/pmta/done\\n"', "/tmp", "/home", "/dev/shm"],
)  # fmt: skip
@pytest.mark.parametrize("key", ["accounting_dir", "spool"])
def test_a_folder_of_powermta_is_none_of_the_system(key: str, path: str) -> None:
    extra = f"    accounting_dir: {path}\n" if key == "accounting_dir" else f"{BASE}      spool: {path}\n"
    (mistake,) = mistakes(with_host(extra))
    assert f"{key}: " in mistake
    assert "allowed: a" in mistake


@pytest.mark.parametrize(
    "path", ["/var/log/pmta/done", "/srv/pmta", "/data/acct", "/usr/local/pmta/acct", "/mnt/fast/acct"]
)
def test_accounting_files_may_lie_in_any_folder_of_their_own(path: str) -> None:
    assert read(with_host(f"    accounting_dir: {path}\n")).mta_hosts[1].accounting_dir == path


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/etc/cron.d/x", "/usr/bin/pmta", "/pmta.log", "/var/log", "/root/.ssh/x"]
)
def test_a_log_is_written_over_no_file_of_the_system(path: str) -> None:
    (mistake,) = mistakes(with_host(f"{BASE}      log_file: {path}\n"))
    assert "log_file: " in mistake


def test_a_value_in_a_message_is_on_one_line_and_short() -> None:
    assert excerpt("a\nb") == "'a\\nb'"
    assert len(excerpt("\x00" * 5000)) < 120
    assert excerpt(None) == "'None'"
    assert brief("a" * 81) == "a" * 80 + "... (81 characters)"
