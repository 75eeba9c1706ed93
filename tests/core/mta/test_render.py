"""Fleet and allowances to PowerMTA configuration."""

import re
from dataclasses import replace

import pytest

from email_engine.errors import InputError
from email_engine.fleet.mistakes import FileInvalid
from email_engine.fleet.model import IpState, Mode, MtaHost
from email_engine.fleet.providers import shipped_providers
from email_engine.home import CONFIG
from email_engine.mta.inventory import read_inventory
from email_engine.mta.layout import compose, digest, split_sections
from email_engine.mta.policy import parse_policy, shipped_policy
from email_engine.mta.render import render_host
from email_engine.mta.routing import must_be_held
from tests.core.mta.records import record

HOST = MtaHost("mta-1", "powermta_mta-1")
POLICY = shipped_policy()


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


class TestGuards:
    @pytest.mark.parametrize("bad", ["a b", "a#b", 'a"b', "a\nb", "a>b", "a/b", "A", ""])
    @pytest.mark.parametrize(
        "field", ["vmta", "pool", "tenant", "hostname", "domain", "dkim_selector", "dkim_key_path"]
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
    def test_a_rollup_gets_its_list_its_hosts_and_its_own_rates(self) -> None:
        source = (CONFIG / "deploy.yaml").read_text()
        rollup = 'rollup: {mx: ["*.olc.protection.outlook.com"], smtp_hosts: "lookup-mx:outlook.com"}'
        text = rendered(
            record(1), policy=parse_policy(re.sub(r"(name: microsoft.*?) }", rf"\1, {rollup} }}", source))
        )
        assert "  mx *.olc.protection.outlook.com microsoft.rollup\n" in text
        assert "<domain microsoft.rollup>\n  smtp-hosts lookup-mx:outlook.com\n</domain>" in text
        assert "  <domain microsoft.rollup>\n    max-msg-rate 250/h\n" in text


class TestPolicy:
    def test_every_mistake_is_reported_at_once(self) -> None:
        source = (CONFIG / "deploy.yaml").read_text()
        broken = (
            source.replace("1000/h", "1000/hour")
            .replace("head_room_percent: 120", "head_room_percent: 20")
            .replace("name: gmail", "name: gmial")
            .replace("RP-00", "RP-00(")
            .replace("move_interval: 5m", "move_interval: soon\n  moev: x")
        )
        with pytest.raises(FileInvalid) as caught:
            parse_policy(broken)
        assert len(caught.value.mistakes) == 6

    @pytest.mark.parametrize("text", ["", "[]", "caps: {", "{}"])
    def test_a_file_that_is_no_policy_is_refused(self, text: str) -> None:
        with pytest.raises(FileInvalid):
            parse_policy(text)
