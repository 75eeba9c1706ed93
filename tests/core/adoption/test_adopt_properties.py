"""Whatever stands in a configuration: nothing that a fleet is made of is dropped in silence."""

import re

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from email_engine.fleet.parse import parse_fleet
from tests.core.adoption.drafts import adopted, filled

NAMES = st.sampled_from(
    [
        "a",
        "b",
        "v-1",
        "v-2",
        "v-3",
        "v-4",
        "V-2",
        "{default}",
        "pool",
        "x.y",
        "-odd",
        "ü",
        "a b",
        "*",
        "",
        "null",
        "v-10",
    ]
)
HOSTS = st.sampled_from(
    [f"192.0.2.{n} mail{n}.example.com" for n in range(1, 9)]
    + [
        "mail.example.com 192.0.2.1",
        "192.0.2.3",
        "10.0.0.1 m.example.com",
        "192.0.2.8/30 m.example.com",
        "x y z",
        "",
    ]
)
KEYS = st.tuples(
    st.sampled_from(["s1", "S1", "s.2", "?"]),
    st.sampled_from(["*", "one.example", "two.example", "news1.one.example", "bad_domain", ""]),
    st.integers(0, 999).map(lambda n: f"/etc/pmta/key{n}.pem"),
).map(",".join)
RATES = st.sampled_from(
    ["500/d", "600/day", "1/d", "100/h", "5/2d", "0", "unlimited", "x", "1000/hour", "9" * 12 + "/d"]
)
LINES = st.one_of(
    HOSTS.map("smtp-source-host {}".format),
    KEYS.map("domain-key {}".format),
    RATES.map("max-smtp-msg-rate {}".format),
    NAMES.map("cold-virtual-mta {}".format),
    st.sampled_from(["host-name h.example.com", "use-proxy p", "weird", "<domain *>\nmax-msg-rate 9/h\n</domain>", "<domain *>"]),
)  # fmt: skip


def block(tag: str, lines: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def made(name: str, body: list[str], closed: bool) -> str:
        return "\n".join([f"<{tag} {name}>", *body, *([f"</{tag}>"] if closed else [])])

    return st.builds(made, NAMES, st.lists(lines, max_size=5), st.sampled_from([True] * 9 + [False]))


CONFIGURATIONS = st.lists(
    st.one_of(
        block("virtual-mta", LINES),
        block("virtual-mta", HOSTS.map("smtp-source-host {}".format)),
        block("virtual-mta-pool", st.one_of(NAMES.map("virtual-mta {}".format), KEYS.map("domain-key {}".format))),
        block("source", st.sampled_from(["always-allow-relaying yes", "process-x-virtual-mta yes", "default-virtual-mta a"])),
        block("smtp-user", st.sampled_from(["password p", "source a"])),
        block("domain-key-list", KEYS.map("domain-key {}".format)),
        block("domain", LINES),
        KEYS.map("domain-key {}".format),
        st.sampled_from(["host-name H.example.com", "# email-engine begin tenant t", "</virtual-mta>", "<", "include x"]),
    ),
    max_size=14,
).map("\n".join)  # fmt: skip

_NAMED = re.compile(r"<(virtual-mta|virtual-mta-pool|source|smtp-user) ([^>]*)>")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(
    "<virtual-mta a>\nsmtp-source-host 192.0.2.1 mail1.example.com\n</virtual-mta>\n# email-engine begin tenant t\n"
    "domain-key s1,*,/etc/pmta/key0.pem\n<virtual-mta b>\nsmtp-source-host 192.0.2.2 mail2.example.com\n</virtual-mta>"
)
@example("<domain *>\n<virtual-mta a>\ndomain-key s1,one.example,/etc/pmta/key1.pem\n</virtual-mta>")
@example("<virtual-mta a>\n<virtual-mta b>\n</virtual-mta>\n<source 10.0.0.1>\n<smtp-user a>")
@example("<virtual-mta a>\n</virtual-mta>\n<virtual-mta-pool b>\nvirtual-mta a\n</virtual-mta-pool>")
@example(
    "<virtual-mta v-1>\nsmtp-source-host 192.0.2.1 m.example.com\n</virtual-mta>\n"
    "<virtual-mta v-2>\nsmtp-source-host 192.0.2.1 m.example.com\n</virtual-mta>\n"
    "<virtual-mta-pool b>\nvirtual-mta v-2\n</virtual-mta-pool>"
)
@given(CONFIGURATIONS)
def test_all_that_a_fleet_is_made_of_is_in_the_draft_or_in_the_list(text: str) -> None:
    result = adopted(text, ranges=False)
    told = "\n".join([result.fleet, *map(str, result.gaps), *(kept.text for kept in result.kept)])
    for tag, name in _NAMED.findall(text):
        word = name.split()[0].encode("ascii", "backslashreplace").decode() if name.split() else ""
        alone = rf"(?<![A-Za-z0-9.-]){re.escape(word)}(?![A-Za-z0-9.-])" if word else f"<{tag}>"
        assert re.search(alone, told), (tag, name)
    for path in re.findall(r"domain-key .*?(/etc/pmta/key\d+\.pem)", text):
        assert path in told


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(
    "<virtual-mta v-1>\nsmtp-source-host 192.0.2.1 mail1.example.com\n</virtual-mta>\n"
    "<virtual-mta-pool a>\nvirtual-mta b\nvirtual-mta v-1\n</virtual-mta-pool>\n"
    "# email-engine begin tenant t\n"
    "<virtual-mta b>\nsmtp-source-host 192.0.2.2 mail2.example.com\n</virtual-mta>"
)
@given(CONFIGURATIONS)
def test_a_filled_draft_is_a_right_fleet_file_and_ranges_change_nothing(text: str) -> None:
    single, ranges = adopted(text, ranges=False), adopted(text)
    assert (single.gaps, single.ips) == (ranges.gaps, ranges.ips)
    if not single.ips:
        return
    fleet = parse_fleet(filled(single.fleet), "draft.yaml")
    assert len(fleet.ips) == single.ips
    again = parse_fleet(filled(ranges.fleet), "draft.yaml")
    assert {ip.address for ip in again.ips} == {ip.address for ip in fleet.ips}
    known = {ip.address: ip for ip in fleet.ips}
    for ip in again.ips:
        if "filled" not in known[ip.address].vmta:
            assert (ip.vmta, ip.pool) == (known[ip.address].vmta, known[ip.address].pool)


@settings(max_examples=100, deadline=None)
@given(st.text(), st.booleans())
def test_any_text_at_all_is_read_without_failing(text: str, ranges: bool) -> None:
    result = adopted(text, ranges=ranges)
    assert result.fleet.isascii()
    assert result.fleet.isprintable() or set(result.fleet) - set(map(chr, range(32, 127))) == {"\n"}
