"""What a deployment would change, and whether it may."""

import pytest

from email_engine.fleet.model import Mode, MtaHost
from email_engine.fleet.providers import shipped_providers
from email_engine.paths import CONFIG
from email_engine.pmta.config.deploy_policy import deploy_policy, parse_policy
from email_engine.pmta.config.guard import Grounds, find_breaches
from email_engine.pmta.config.layout import compose
from email_engine.pmta.config.plan import plan_deployment
from email_engine.pmta.config.render import render_host
from tests.core.pmta.records import record

HOST = MtaHost("mta-1", "powermta_mta-1")
POLICY = deploy_policy()


def text(*records) -> str:
    sections = render_host(HOST, records, shipped_providers(), POLICY)
    return compose(sections, None, {"aurora": Mode.ACT})


TEN = tuple(record(n) for n in range(1, 11))
RUNNING = text(*TEN)


def plan(*records, running: str | None = RUNNING):
    return plan_deployment("mta-1", running, text(*records))


def breaches(planned, decided=(), **grounds) -> list[str]:
    known = Grounds(decided=decided, may_rise=grounds.pop("may_rise", decided), **grounds)
    return [breach.kind for breach in find_breaches(planned, known, POLICY)]


class TestPlan:
    def test_the_same_text_is_no_change(self) -> None:
        same = plan(*TEN)
        assert not same.changed
        assert same.diff == ""
        assert same.summary == "mta-1: unchanged"

    def test_a_raised_cap_and_a_left_pool_are_named(self) -> None:
        planned = plan(record(1, allowance=1500), record(2, state="quarantine"), *TEN[2:])
        assert planned.summary == (
            "mta-1: vmta aurora-1: cap 1200/d -> 1800/d; vmta aurora-2: cap 1200/d -> 1/d; "
            "pool aurora-newsletter: - aurora-2"
        )
        assert planned.changed_vmtas == ("aurora-1", "aurora-2")
        assert "@@ <virtual-mta aurora-1>\n" in planned.diff
        assert "-  max-smtp-msg-rate 1200/d\n+  max-smtp-msg-rate 1800/d\n" in planned.diff
        assert "aurora-3" not in planned.diff.replace(" virtual-mta aurora-3", "")

    def test_the_first_deployment_adds_everything(self) -> None:
        planned = plan(*TEN, running=None)
        assert planned.old_digest is None
        assert len(planned.added) == 10
        assert breaches(planned) == []

    def test_a_long_list_is_cut_short(self) -> None:
        summary = plan(*TEN, running=None).summary
        assert summary.startswith(
            "mta-1: 10 vmtas (aurora-1 ... aurora-10): new; pool aurora-newsletter: new"
        )
        assert len(summary) < 1500

    def test_a_password_that_a_hand_put_there_is_in_no_diff(self) -> None:
        by_hand = RUNNING + "<smtp-user x>\n  password s3cret\n</smtp-user>\n"
        diff = plan(*TEN, running=by_hand).diff
        assert "s3cret" not in diff
        assert "-  password (hidden)\n" in diff

    def test_comments_alone_are_told_as_such(self) -> None:
        planned = plan_deployment("mta-1", RUNNING, RUNNING + "# a word\n")
        assert planned.changed
        assert planned.summary == "mta-1: comments only"

    @pytest.mark.parametrize(
        ("records", "counted"),
        [
            (
                (record(1, allowance=1500), record(2, allowance=500), *TEN[2:]),
                "1 cap lowered, 1 cap raised, 1 pool with other members",
            ),
            (TEN[1:], "1 virtual MTA removed, 1 pool with other members"),
            ((*TEN, record(11)), "1 virtual MTA added, 1 pool with other members"),
            (TEN, "unchanged"),
        ],
        ids=["caps", "one goes", "one comes", "nothing"],
    )
    def test_what_changes_is_counted_in_words(self, records, counted) -> None:
        assert plan(*records).counted == counted

    def test_comments_and_whole_blocks_are_counted_too(self) -> None:
        assert plan_deployment("mta-1", RUNNING, RUNNING + "# a word\n").counted == "comments only"
        assert plan(*TEN, running=None).counted.startswith("10 virtual MTAs added, 1 pool added")

    def test_details_are_few_and_short(self) -> None:
        many = plan(
            *(record(n, allowance=1000 + n) for n in range(1, 11)), *(record(n) for n in range(11, 31))
        )
        assert len(many.details) <= 11
        assert max(map(len, many.details)) <= 210


class TestGuard:
    @pytest.mark.parametrize(
        ("lowered", "decided", "expected"),
        [(10, 0, []), (10, 10, []), (0, 0, []), (1, 0, [])],
        ids=["all lowered", "all decided", "nothing", "one"],
    )
    def test_lower_caps_need_nobody(self, lowered, decided, expected) -> None:
        planned = plan(*(record(n, allowance=500 if n <= lowered else 1000) for n in range(1, 11)))
        assert breaches(planned, [f"aurora-{n}" for n in range(1, decided + 1)]) == expected

    @pytest.mark.parametrize("decided", [0, 6, 9, 10])
    def test_a_cap_rises_only_where_a_decision_gave_more(self, decided: int) -> None:
        planned = plan(*(record(n, allowance=2000) for n in range(1, 11)))
        names = [f"aurora-{n}" for n in range(1, decided + 1)]
        assert breaches(planned, names) == ([] if decided == 10 else ["cap_raised"])

    def test_a_decision_to_hold_raises_no_cap(self) -> None:
        planned = plan(record(1, allowance=2000), *TEN[1:])
        assert breaches(planned, ["aurora-1"], may_rise=[]) == ["cap_raised"]

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("max-msg-rate 250/h", "max-msg-rate 251/h"),
            ("max-msg-rate 250/h", "max-msg-rate 250/m"),
            ("    max-msg-rate 250/h\n", ""),
        ],
        ids=["more", "another unit", "none any more"],
    )
    def test_a_higher_rate_to_a_provider_is_a_raise_too(self, before: str, after: str) -> None:
        wanted = RUNNING.replace(before, after)
        assert wanted != RUNNING
        assert "cap_raised" in breaches(plan_deployment("mta-1", RUNNING, wanted), ["aurora-1"])

    @pytest.mark.parametrize(
        ("may", "expected"), [(False, ["cap_raised"]), (True, [])], ids=["later", "first"]
    )
    def test_a_decision_about_a_cap_raises_no_rate_beside_it(self, may: bool, expected: list[str]) -> None:
        planned = plan_deployment(
            "mta-1", RUNNING, RUNNING.replace("max-msg-rate 250/h", "max-msg-rate 251/h")
        )
        names = [f"aurora-{n}" for n in range(1, 11)]
        assert breaches(planned, names, rates_may_rise=may) == expected

    @pytest.mark.parametrize(
        ("before", "after", "given", "expected"),
        [
            ({"microsoft": 50}, {"microsoft": 100}, ["aurora-1"], []),
            ({"microsoft": 50}, {"microsoft": 100}, [], ["cap_raised"]),
            ({"microsoft": 50}, {}, ["aurora-1"], []),
            ({"microsoft": 50}, {}, ["aurora-2"], ["cap_raised"]),
            ({"gmx": 50}, {"gmx": 100}, ["aurora-1"], []),
            ({"gmx": 50, "orange": 9}, {}, ["aurora-1"], []),
            ({"gmx": 50, "orange": 9}, {}, [], ["cap_raised"]),
            ({}, {"microsoft": 50, "gmx": 7}, [], []),
            ({"gmx": 50}, {"gmx": 7}, [], []),
        ],
        ids=["more", "more without ground", "ends", "another's ground", "more in a group", "all end", "all end without",
             "begins", "less"],
    )  # fmt: skip
    def test_more_of_an_allowance_at_a_provider_needs_it_as_its_ground(
        self, before: dict[str, int], after: dict[str, int], given: list[str], expected: list[str]
    ) -> None:
        planned = plan(record(1, bounds=after), *TEN[1:], running=text(record(1, bounds=before), *TEN[1:]))
        assert planned.changed
        assert breaches(planned, ["aurora-1"], may_rise=given) == expected

    def test_a_policy_that_speaks_of_days_hides_what_was_given(self) -> None:
        a_day = parse_policy((CONFIG / "deploy.yaml").read_text().replace("250/h", "6000/d"))
        planned = plan(record(1), *TEN[1:], running=text(record(1, bounds={"microsoft": 50}), *TEN[1:]))
        found = find_breaches(planned, Grounds(decided=["aurora-1"], may_rise=["aurora-1"]), a_day)
        assert [breach.kind for breach in found] == ["cap_raised"]

    def test_a_provider_that_is_no_longer_limited_is_a_raise(self) -> None:
        start = RUNNING.index("  <domain $")
        block = RUNNING[start : RUNNING.index("</domain>", start) + len("</domain>\n")]
        planned = plan_deployment("mta-1", RUNNING, RUNNING.replace(block, ""))
        assert "cap_raised" in breaches(planned)

    @pytest.mark.parametrize(("share", "expected"), [(0.2, []), (0.5, ["unexplained"])])
    def test_many_lines_without_a_decision_need_a_person(self, share: float, expected: list[str]) -> None:
        lines = [line for line in RUNNING.splitlines() if line.strip() and not line.startswith("#")]
        added = "".join(f"relay-domain d{n}.example\n" for n in range(int(len(lines) * share)))
        planned = plan_deployment("mta-1", RUNNING, RUNNING + added)
        assert breaches(planned, [r.vmta for r in TEN]) == expected

    def test_a_run_for_one_tenant_changes_no_other(self) -> None:
        planned = plan(record(1, allowance=500), *TEN[1:])
        assert breaches(planned, tenant="borealis") == ["other_tenant"]
        assert breaches(planned, tenant="aurora") == []

    @pytest.mark.parametrize(
        ("queued", "expected"),
        [
            ({}, ["disappears"]),
            ({"aurora-1": 0}, ["disappears"]),
            ({"aurora-1": 4}, ["disappears", "queued_mail"]),
        ],
    )
    def test_a_vmta_that_disappears_needs_a_person(self, queued, expected) -> None:
        planned = plan(*TEN[1:])
        assert planned.removed == ("aurora-1",)
        assert breaches(planned, ["aurora-1"], queued=queued) == expected

    @pytest.mark.parametrize(("decided", "expected"), [(True, []), (False, ["pool_disappears"])])
    def test_a_pool_that_disappears_needs_decisions(self, decided: bool, expected) -> None:
        planned = plan(*(record(n, state="retiring", allowance=50) for n in range(1, 11)))
        assert breaches(planned, [r.vmta for r in TEN] if decided else []) == expected

    def test_a_file_edited_by_hand_is_not_overwritten_silently(self) -> None:
        planned = plan(*TEN, running=RUNNING + "postmaster me@example.com\n")
        assert breaches(planned, drifted=True) == ["drift"]

    def test_nothing_to_change_is_never_a_breach(self) -> None:
        assert breaches(plan(*TEN), drifted=True) == []

    def test_a_breach_names_who_and_how_many(self) -> None:
        planned = plan(*(record(n, allowance=2000) for n in range(1, 11)))
        (breach,) = find_breaches(planned, Grounds(), POLICY)
        assert breach.message.startswith("10 virtual MTAs (aurora-1, aurora-2, ")
        assert breach.message.endswith(", ...) would get a higher limit that no decision gave")
