"""Fleet and allowances to PowerMTA configuration."""

import re
from dataclasses import replace
from ipaddress import ip_address

import pytest

from email_engine.errors import InputError
from email_engine.fleet.mistakes import FileInvalid
from email_engine.fleet.model import IpRecord, IpState, Mode, MtaBase, MtaHost
from email_engine.fleet.providers import shipped_providers
from email_engine.paths import CONFIG
from email_engine.pmta.config.deploy_policy import deploy_policy, parse_policy
from email_engine.pmta.config.inventory import read_inventory
from email_engine.pmta.config.layout import compose, digest, split_sections
from email_engine.pmta.config.render import render_host
from email_engine.pmta.config.routing import must_be_held
from tests.core.pmta.records import record
from tests.work import calls

HOST = MtaHost("mta-1", "powermta_mta-1")
POLICY = deploy_policy()


def rendered(*records, running=None, modes=None, policy=POLICY):
    sections = render_host(HOST, records, shipped_providers(), policy)
    return compose(sections, running, modes or {r.tenant: r.mode for r in records})


class TestCaps:
    @pytest.mark.parametrize(
        ("allowance", "cap"),
        [(0, "1/d"), (1, "2/d"), (4, "5/d"), (50, "60/d"), (10_000, "12000/d"), (35, "42/d")],
    )
    def test_the_cap_is_the_allowance_with_head_room_rounded_up(self, allowance: int, cap: str) -> None:
        text = rendered(record(1, allowance=allowance))
        assert read_inventory(text).vmtas["aurora-1"].cap == cap

    @pytest.mark.parametrize("state", [s for s in IpState if s not in ("active", "warming", "retiring")])
    def test_a_parked_ip_has_a_cap_of_one_and_no_pool(self, state: IpState) -> None:
        inventory = read_inventory(rendered(record(1), record(2, state=state)))
        assert inventory.vmtas["aurora-2"].cap == "1/d"
        assert inventory.pools == {"aurora-newsletter": ("aurora-1",)}

    def test_a_braked_ip_has_a_cap_of_one(self) -> None:
        inventory = read_inventory(rendered(record(1), record(2, braked=True)))
        assert inventory.vmtas["aurora-2"].cap == "1/d"
        assert inventory.pools["aurora-newsletter"] == ("aurora-1",)


class TestPools:
    @pytest.mark.parametrize("state", ["warming", "retiring"])
    def test_ips_on_their_way_are_addressed_by_name_only(self, state: str) -> None:
        inventory = read_inventory(rendered(record(1), record(2, state=state, allowance=50)))
        assert inventory.vmtas["aurora-2"].cap == "60/d"
        assert inventory.pools["aurora-newsletter"] == ("aurora-1",)

    def test_an_active_ip_with_a_much_smaller_cap_stays_out(self) -> None:
        text = rendered(record(1, allowance=10_000), record(2, allowance=5_000), record(3, allowance=400))
        assert read_inventory(text).pools["aurora-newsletter"] == ("aurora-1", "aurora-2")

    @pytest.mark.parametrize(
        ("others", "last"),
        [
            ([("quarantine", {}), ("active", {"braked": True})], "aurora-2"),
            ([("quarantine", {}), ("standby", {})], "aurora-2"),
            ([("warming", {}), ("quarantine", {})], "aurora-2"),
            ([("active", {"allowance": 0}), ("standby", {})], "aurora-1"),
        ],
    )
    def test_the_last_member_stays_paused(self, others, last: str) -> None:
        records = tuple(record(n, state=state, **more) for n, (state, more) in enumerate(others, 1))
        text = rendered(*records)
        assert read_inventory(text).pools["aurora-newsletter"] == (last,)
        assert last in {r.vmta for r in must_be_held(records, POLICY)}

    def test_a_pool_of_warming_ips_alone_is_not_rendered(self) -> None:
        assert read_inventory(rendered(record(1, state="warming"), record(2, state="retiring"))).pools == {}


class TestLayout:
    def test_the_order_of_the_records_does_not_matter(self) -> None:
        records = [record(n, tenant=tenant) for tenant in ("aurora", "borealis") for n in (10, 9, 2)]
        assert rendered(*records) == rendered(*reversed(records))
        names = list(read_inventory(rendered(*records)).vmtas)
        assert names[:3] == ["aurora-2", "aurora-9", "aurora-10"]

    def test_a_tenant_in_observe_keeps_the_section_that_stands_there(self) -> None:
        first = rendered(record(1), record(2, tenant="borealis"))
        watched = record(2, tenant="borealis", allowance=9, mode=Mode.OBSERVE)
        second = rendered(record(1, allowance=9), watched, running=first)
        assert split_sections(second)["borealis"] == split_sections(first)["borealis"]
        assert split_sections(second)["aurora"] != split_sections(first)["aurora"]

    def test_a_new_tenant_in_observe_gets_no_section(self) -> None:
        text = rendered(record(1), record(2, tenant="borealis", mode=Mode.OBSERVE), running=None)
        assert set(split_sections(text)) == {None, "aurora"}

    @pytest.mark.parametrize("running", [None, "anything\n"])
    def test_a_host_whose_tenants_all_observe_keeps_its_file(self, running: str | None) -> None:
        assert rendered(record(1, mode=Mode.OBSERVE), running=running) == (running or "")

    def test_composing_again_changes_nothing(self) -> None:
        records = (record(1), record(2, tenant="borealis", mode=Mode.OBSERVE))
        first = rendered(*records)
        assert rendered(*records, running=first) == first

    @pytest.mark.parametrize(
        "broken",
        [
            "# email-engine begin host\n",
            "# email-engine end host\n",
            "# email-engine begin host\n# email-engine begin tenant a\n",
            "# email-engine begin tenant a\n# email-engine end tenant b\n",
            "# email-engine begin host\n# email-engine end host\n" * 2,
        ],
        ids=["open", "closed", "nested", "crossed", "twice"],
    )
    def test_markers_that_do_not_pair_up_are_refused(self, broken: str) -> None:
        with pytest.raises(InputError, match="marker"):
            rendered(record(1), record(2, tenant="borealis", mode=Mode.OBSERVE), running=broken)

    def test_the_digest_is_sha256_of_the_bytes(self) -> None:
        assert (
            digest("x") == digest(b"x") == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
        )


class TestBehindNat:
    def test_a_virtual_mta_binds_what_the_host_has_and_the_public_address_stands_nowhere(self) -> None:
        text = rendered(record(1, bind_address=ip_address("10.0.0.5")), record(2))
        vmtas = read_inventory(text).vmtas
        assert (vmtas["aurora-1"].address, vmtas["aurora-1"].hostname) == (
            "10.0.0.5",
            "mail1.aurora-mail.example",
        )
        assert vmtas["aurora-2"].address == "198.51.100.2"
        assert "198.51.100.1 " not in text


class TestGuards:
    @pytest.mark.parametrize("bad", ["a b", "a#b", 'a"b', "a\nb", "a>b", "a/b", "A", ""])
    @pytest.mark.parametrize(
        "field",
        ["vmta", "pool", "tenant", "mailwizz", "hostname", "domain", "dkim_selector", "dkim_key_path"],
    )
    def test_no_value_that_powermta_could_misread_reaches_the_file(self, field: str, bad: str) -> None:
        with pytest.raises(InputError, match=field):
            rendered(replace(record(1), **{field: bad}), modes={"aurora": Mode.ACT})

    def test_every_bad_value_is_listed_at_once(self) -> None:
        with pytest.raises(InputError) as caught:
            rendered(replace(record(1), hostname="x"), replace(record(2), domain="#"))
        assert "hostname" in str(caught.value)
        assert "domain" in str(caught.value)

    def test_a_policy_value_with_a_quote_is_stopped_by_the_second_guard(self) -> None:
        with pytest.raises(InputError, match="template"):
            rendered(record(1), policy=replace(POLICY, max_msg_rate='1/h"\n'))

    def test_a_name_for_both_a_pool_and_a_vmta_is_refused(self) -> None:
        with pytest.raises(InputError, match="both a pool"):
            rendered(replace(record(1), pool="aurora-1"))

    def test_two_vmtas_of_one_name_are_refused(self) -> None:
        with pytest.raises(InputError, match="twice"):
            rendered(record(1), replace(record(2), vmta="aurora-1"))


class TestRollups:
    def test_a_rollup_gets_its_list_and_its_hosts(self) -> None:
        text = rendered(record(1))
        assert "  mx *.olc.protection.outlook.com microsoft.rollup\n" in text
        assert "<domain microsoft.rollup>\n  smtp-hosts lookup-mx:outlook.com\n</domain>" in text

    def test_one_block_holds_for_domains_and_rollup(self) -> None:
        text = rendered(record(1))
        assert "domain-macro engine_gmail gmail.com,googlemail.com,gmail.rollup\n" in text
        assert "  <domain $engine_gmail>\n    max-msg-rate 250/h\n" in text

    def test_no_company_at_the_same_operator_is_rolled_up(self) -> None:
        patterns = [pattern for rates in POLICY.providers if rates.rollup for pattern in rates.rollup.mx]
        for host in (
            "aspmx.l.google.com", "alt1.aspmx.l.google.com", "example-com.mail.protection.outlook.com",
            "mx-biz.mail.am0.yahoodns.net", "mx-eu.mail.am0.yahoodns.net",
        ):  # fmt: skip
            assert not [p for p in patterns if host == p or (p[0] == "*" and host.endswith(p[1:]))]

    def test_one_switch_turns_them_all_off(self) -> None:
        source = (CONFIG / "deploy.yaml").read_text().replace("rollups: true", "rollups: false")
        text = rendered(record(1), policy=parse_policy(source))
        assert "rollup" not in text
        assert "domain-macro engine_gmail gmail.com,googlemail.com\n" in text


class TestLimits:
    def test_eight_big_providers_get_250_an_hour_and_everybody_1000(self) -> None:
        named = {rates.name: rates.max_msg_rate for rates in POLICY.providers}
        assert {"gmail", "microsoft", "yahoo", "icloud", "gmx", "orange", "free", "sfr", "proton"} <= set(
            named
        )
        assert set(named.values()) == {"250/h"}
        assert POLICY.max_msg_rate == "1000/h"

    def test_every_domain_of_a_big_provider_has_a_limit_of_its_own(self) -> None:
        text = rendered(record(1))
        macros = dict(line.split()[1:] for line in text.splitlines() if line.startswith("domain-macro"))
        limited = {
            domain
            for macro, domains in macros.items()
            if f"<domain ${macro}>" in text
            for domain in domains.split(",")
        }
        for rates in POLICY.providers:
            provider = next(one for one in shipped_providers().all if one.name == rates.name)
            assert set(provider.domains) <= limited

    def test_providers_of_the_same_numbers_share_a_block(self) -> None:
        text = rendered(record(1))
        assert "  <domain $engine_icloud_gmx>\n" in text
        assert "  <domain $engine_orange_free_sfr_laposte_proton>\n" in text

    def test_what_holds_for_everybody_is_said_once(self) -> None:
        text = rendered(record(1))
        assert (
            "  <domain $engine_orange_free_sfr_laposte_proton>\n    max-msg-rate 250/h\n  </domain>\n" in text
        )
        assert text.count("max-msg-per-connection 20\n") == 1

    def test_all_that_is_alike_is_alike_to_the_byte(self) -> None:
        text = rendered(*(record(n, tenant) for tenant in ("aurora", "borealis") for n in range(1, 30)))
        bodies = re.findall(r"<virtual-mta \S+>\n(?:.*\n){3}((?:  .*\n)+)</virtual-mta>", text)
        assert len(bodies) == 58
        assert len(set(bodies)) == 1

    def test_no_rate_has_a_multiplier(self) -> None:
        assert not re.search(r"-rate \S*/\d", rendered(record(1)))


class TestAccounting:
    def test_every_kind_of_record_is_written_for_the_fetcher(self) -> None:
        text = rendered(record(1))
        assert "  records d,b,t,tq,rb,rs\n" in text
        assert "  records f\n" in text
        assert "world-readable" not in text


class TestBase:
    BASE = MtaBase("ops@example.com", ("10.0.0.5:2525", "10.0.0.6:25"))

    def host(self, **more: object) -> str:
        host = replace(HOST, config_file="/etc/pmta/config", base=replace(self.BASE, **more))
        return render_host(host, (record(1),), shipped_providers(), POLICY)[0].text

    def test_a_host_with_a_base_gets_a_whole_configuration(self) -> None:
        text = self.host()
        for line in (
            "postmaster ops@example.com", "smtp-listener 10.0.0.5:2525", "smtp-listener 10.0.0.6:25", "run-as-root no",
            "log-file /var/log/pmta/pmta.log", "<spool /var/spool/pmta>", "http-mgmt-port 8080",
        ):  # fmt: skip
            assert f"{line}\n" in text
        assert re.findall(r"http-access (\S+)", text) == ["127.0.0.1", "::1"]
        assert "<source 0/0>\n  always-allow-relaying no\n" in text

    def test_a_host_without_one_gets_none_of_it(self) -> None:
        text = rendered(record(1))
        for word in ("postmaster ", "smtp-listener", "http-", "<spool", "log-file", "run-as-root", "<source"):
            assert not re.search(rf"^\s*{word}", text, re.MULTILINE)

    def test_reports_have_a_door_and_a_reader_for_each_kind_and_are_recorded(self) -> None:
        text = self.host(
            complaint_addresses=("fbl@f.example", "arf@f.example"), bounce_addresses=("late@b.example",)
        )
        assert re.findall(r"^relay-address (\S+)$", text, re.MULTILINE) == [
            "fbl@f.example", "arf@f.example", "late@b.example",
        ]  # fmt: skip
        fbl = (
            "  forward-unmatched-to ops@example.com\n  forward-errors-to ops@example.com\n  <address-list>\n"
        )
        assert (
            f"<feedback-loop-processor>\n{fbl}    address fbl@f.example\n    address arf@f.example\n  </address-list>\n"
        ) in text
        assert f"<bounce-processor>\n{fbl}    address late@b.example\n" in text
        assert re.findall(r"^  records (\S+)$", text, re.MULTILINE) == ["d,b,t,tq,rb,rs", "f"]

    @pytest.mark.parametrize(
        ("given", "records"),
        [
            ({}, ["d,b,t,tq"]),
            ({"complaint_addresses": ("fbl@f.example",)}, ["d,b,t,tq", "f"]),
            ({"bounce_addresses": ("late@b.example",)}, ["d,b,t,tq,rb,rs"]),
        ],
        ids=["none", "complaints", "late bounces"],
    )
    def test_what_nothing_makes_is_not_recorded(self, given: dict[str, object], records: list[str]) -> None:
        text = self.host(**given)
        assert re.findall(r"^  records (\S+)$", text, re.MULTILINE) == records
        assert text.count("<acct-file ") == len(records)
        assert text.count("-processor>") == 2 * len(given)

    def test_the_operators_own_file_is_never_rendered(self) -> None:
        with pytest.raises(InputError, match="needs a base"):
            render_host(replace(HOST, config_file="/etc/pmta/config"), (), shipped_providers(), POLICY)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"postmaster": "a@b.example\nhttp-access 0/0 admin"},
            {"listeners": ("0.0.0.0:25 # x",)},
            {"log_file": "/var/log/x y"},
            {"spool": "/var/spool>"},
            {"complaint_addresses": ("fbl@f.example\nrelay-domain *",)},
            {"bounce_addresses": ("fbl",)},
        ],
        ids=lambda wrong: next(iter(wrong)),
    )
    def test_no_value_that_powermta_could_misread_reaches_the_base(self, wrong: dict[str, object]) -> None:
        with pytest.raises(
            InputError, match="reports" if "addresses" in next(iter(wrong)) else next(iter(wrong))
        ):
            self.host(**wrong)


class TestWork:
    def records(self, count: int) -> tuple[IpRecord, ...]:
        return tuple(
            replace(
                record(1),
                vmta=f"aurora-{n}",
                address=ip_address("45.0.0.0") + n,
                hostname=f"mail{n}.a.example",
            )
            for n in range(count)
        )

    def test_ten_thousand_virtual_mtas_are_rendered(self) -> None:
        assert rendered(*self.records(10_000)).count("<virtual-mta ") == 10_000

    def test_each_is_as_much_work_however_many_there_are(self) -> None:
        few, many = self.records(500), self.records(4_000)
        assert calls(lambda: rendered(*many)) < 8.8 * calls(lambda: rendered(*few))


class TestPolicy:
    def test_every_mistake_is_reported_at_once(self) -> None:
        source = (CONFIG / "deploy.yaml").read_text()
        broken = (
            source.replace("1000/h", "1000/hour")
            .replace("head_room_percent: 120", "head_room_percent: 20")
            .replace("name: gmail", "name: gmial")
            .replace("move_interval: 5m", "move_interval: soon\n  moev: x")
        )
        replies = (CONFIG / "replies.yaml").read_text().replace("pattern: RP-00[1-3]", "pattern: RP-00(")
        categories = (
            (CONFIG / "bounce_categories.yaml")
            .read_text()
            .replace("category: relaying-issues", "category: relaying")
        )
        with pytest.raises(FileInvalid) as caught:
            parse_policy(broken, replies=replies, categories=categories)
        places = [mistake.place.short for mistake in caught.value.mistakes]
        assert len(places) == 7
        assert [place.partition(":")[0] for place in places] == [
            *["deploy.yaml"] * 5, "bounce_categories.yaml", "replies.yaml",
        ]  # fmt: skip
        line = next(n for n, text in enumerate(replies.splitlines(), 1) if "pattern: RP-00(" in text)
        assert places[-1] == f"replies.yaml:{line}"

    def test_a_provider_stands_once(self) -> None:
        twice = (CONFIG / "deploy.yaml").read_text().replace("name: sfr,", "name: free,")
        with pytest.raises(FileInvalid, match="free stands twice"):
            parse_policy(twice)

    def test_the_digest_is_that_of_all_files(self) -> None:
        source, replies = (CONFIG / "deploy.yaml").read_text(), (CONFIG / "replies.yaml").read_text()
        assert parse_policy(source).digest == POLICY.digest
        assert parse_policy(source, replies=replies + "\n").digest != POLICY.digest

    @pytest.mark.parametrize("text", ["", "[]", "caps: {", "{}"])
    def test_a_file_that_is_no_policy_is_refused(self, text: str) -> None:
        with pytest.raises(FileInvalid):
            parse_policy(text)


@pytest.mark.parametrize(
    ("version", "timed"),
    [("4.5", False), ("5.0", False), ("5.0r1", False), ("5.0r5", True), ("5.0r8", True), ("5.5", True)],
)
def test_a_reply_says_how_long_backoff_lasts_only_to_a_release_that_knows_it(
    version: str, timed: bool
) -> None:
    sections = render_host(replace(HOST, version=version), (record(1),), shipped_providers(), POLICY)
    text = "".join(section.text for section in sections)
    assert (",backoff-to-normal-after=" in text) is timed
    assert text.count("  reply /") == sum(len(one.replies) for one in POLICY.receivers)
    assert "backoff-to-normal-after 2h" in text
