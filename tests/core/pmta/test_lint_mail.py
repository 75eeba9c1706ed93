"""What a configuration loses without a word: replies that mean nothing, reports that never come, columns that nobody can read."""

import pytest

from email_engine.accounting.replies import ORDINARY
from email_engine.pmta.config.deploy_policy import deploy_policy
from email_engine.pmta.language.assembly import assemble
from email_engine.pmta.lint import LintFinding, lint
from email_engine.pmta.lint.pm2_reply_texts import matched
from email_engine.pmta.lint.rule import MAIN


def found(text: str, *codes: str) -> list[LintFinding]:
    return [one for one in lint(assemble(text, "config"), version="5.0r5") if one.code in codes]


def replies(*lines: str) -> str:
    return (
        "<smtp-pattern-list r>\n" + "".join(f"  reply {line}\n" for line in lines) + "</smtp-pattern-list>\n"
    )


BACKOFF = "mode=backoff,backoff-to-normal-after=1h"


class TestRepliesThatOrdinaryOnesMatch:
    @pytest.mark.parametrize(
        ("line", "said"),
        [
            (f"/^550/ {BACKOFF}", "550 5.1.1 user unknown"),
            ("/allowed/ bounce-queue", "550 5.7.1 You are not allowed to send"),
            (f"/user unknown/ {BACKOFF}", "550 5.1.1 user unknown"),
            (f"/UNKNOWN/ {BACKOFF}", "550 5.1.1 user unknown"),
            ("/mailbox/ disable-source-ip, reenable-after=6h", "550 5.5.0 Requested action not taken"),
            ("/try again later/ defer-queue", "451 4.7.1 Greylisted, please try again later"),
            (f"// {BACKOFF}", "250 2.0.0 OK"),
        ],
    )
    def test_they_are_told_with_the_reply(self, line: str, said: str) -> None:
        (one,) = found(replies(line), "PM230")
        assert (one.line, one.severity) == (2, "warning")
        assert said in one.message

    @pytest.mark.parametrize(
        "line",
        [
            "/user unknown/ bounce-rcpt",
            "/^250/ mode=normal",
            f"/generating high volumes of.* complaints/ {BACKOFF}",
            f"/^421 .* too many errors/ {BACKOFF}",
            "/permanently deferred/ bounce-queue",
            "/too many connections/ skip-mx",
            "/resources temporarily unavailable/ defer-queue",
            f"/(?-i)USER UNKNOWN/ {BACKOFF}",
            f"/(a+)+$/ {BACKOFF}",
            f"/.*.*.*.*.*x/ {BACKOFF}",
            f"/broken (/ {BACKOFF}",
        ],
    )
    def test_what_harms_nobody_else_or_is_narrow_is_not(self, line: str) -> None:
        assert found(replies(line), "PM230", "PM231") == []

    def test_what_a_harmless_line_above_takes_reaches_no_other(self) -> None:
        harmless = tuple(f"/{text.replace('/', '.')[:30]}/ bounce-rcpt" for text in matched("^550"))
        assert found(replies(*harmless, f"/^550/ {BACKOFF}"), "PM230") == []
        assert found(replies(f"/^550/ {BACKOFF}", *harmless), "PM230") != []

    def test_a_line_below_another_wide_one_is_told_too(self) -> None:
        assert [
            one.line for one in found(replies(f"/^550/ {BACKOFF}", f"/user unknown/ {BACKOFF}"), "PM230")
        ] == [2, 3]

    def test_no_shipped_pattern_is_one(self) -> None:
        lines = [
            f"/{reply.pattern}/ {reply.actions}"
            for receiver in deploy_policy().receivers
            for reply in receiver.replies
        ]
        assert len(lines) > 50
        assert found(replies(*lines), "PM230", "PM231") == []
        assert set(ORDINARY) <= set(matched(""))

    @pytest.mark.parametrize(
        "expression", ["(x+x+)+y", "(.*)*x", "(a|a)*b", ".*.*.*.*z", "(u{1,9}){1,9}", "a+b+c+d+", "(?R)"]
    )
    def test_an_expression_that_could_take_for_ever_is_not_tried(self, expression: str) -> None:
        assert matched(expression) == ()


class TestPatternsThatCannotMatch:
    @pytest.mark.parametrize(
        "line",
        [
            f"/[TS03] All messages/ {BACKOFF}",
            "/blocked [S3150]/ skip-mx",
            "/[CS01]/ skip-mx",
            "/^blocked by policy/ skip-mx",
            "/^(Too many)/ skip-mx",
            "/^621 / skip-mx",
        ],
    )
    def test_they_are_told(self, line: str) -> None:
        assert [one.line for one in found(replies(line), "PM231")] == [2]

    @pytest.mark.parametrize(
        "line",
        [
            r"/\[TS03\] All messages/ skip-mx",
            "/[45][.]7[.]1/ skip-mx",
            "/[A-Z]{2}[0-9]/ skip-mx",
            "/^421.*blocked/ skip-mx",
            "/^blocked|refused/ skip-mx",
            "/[Tt]oo many/ skip-mx",
            "/[^TS03]x/ skip-mx",
        ],
    )
    def test_sets_that_are_meant_are_not(self, line: str) -> None:
        assert found(replies(line), "PM231") == []

    def test_bounce_categories_have_codes_too(self) -> None:
        text = "<bounce-category-patterns>\n  /[TS03] temporarily/ policy-related\n  /^x/ other\n</bounce-category-patterns>\n"
        assert [one.line for one in found(text, "PM231")] == [2]


class TestPatternsBelowWiderOnes:
    @pytest.mark.parametrize(
        ("lines", "told"),
        [
            ((f"/blocked/ {BACKOFF}", "/blocked by policy/ skip-mx"), [3]),
            ((f"/Blocked/ {BACKOFF}", "/blocked/ skip-mx"), [3]),
            ((f"/blocked/ {BACKOFF}", f"/blocked by policy/ {BACKOFF}"), []),
            (("/blocked by policy/ skip-mx", f"/blocked/ {BACKOFF}"), []),
            ((f"/bl.cked/ {BACKOFF}", "/bl.cked by/ skip-mx"), []),
        ],
        ids=["part", "case", "same action", "narrow first", "no plain text"],
    )
    def test_what_would_lead_elsewhere_is_never_reached(
        self, lines: tuple[str, ...], told: list[int]
    ) -> None:
        assert [one.line for one in found(replies(*lines), "PM310")] == told

    def test_bounce_categories_too(self) -> None:
        text = "<bounce-category-patterns>\n  /spam/ spam-related\n  /spamtrap hit/ other\n</bounce-category-patterns>\n"
        assert [one.line for one in found(text, "PM310")] == [3]


def acct(*lines: str, name: str = "/var/log/pmta/acct.csv") -> str:
    return f"<acct-file {name}>\n" + "".join(f"  {line}\n" for line in lines) + "</acct-file>\n"


class TestColumns:
    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ("d timeQueued,orig,jobId", "d have no timeLogged, no rcpt, neither dlvSourceIp nor vmta"),
            ("b timeQueued,bounceCat,vmta,rcpt", "b have no timeLogged"),
            ("t timeLogged,rcpt,dsnStatus", "t have neither dlvSourceIp nor vmta"),
            ("delivery *,!rcpt", "d have no rcpt"),
            ("f rcpt,orig", "f have no timeLogged"),
            ("rb rcpt", "rb have no timeLogged"),
        ],
    )
    def test_what_ingest_cannot_read_is_told(self, fields: str, said: str) -> None:
        (one,) = found(acct("records d,b,t,f,rb", f"record-fields {fields}"), "PM811")
        assert said in one.message
        assert (one.severity, one.line) == ("warning", 3)

    @pytest.mark.parametrize(
        "lines",
        [
            ("record-fields d *",),
            ("record-fields d TimeLogged, RCPT, vmta",),
            ("record-fields d timeLogged,rcpt", "record-fields d dlvSourceIp"),
            ("record-fields d *,!vmta",),
            ("record-fields t orig",),
            ("record-fields f timeLogged,orig", "map-header-to-field f header_X-Rcpt rcpt"),
            ("record-fields d timeLogged,vmta", "map-header-to-field d header_X-Rcpt rcpt"),
        ],
    )
    def test_what_it_can_read_is_not(self, lines: tuple[str, ...]) -> None:
        assert found(acct("records d,b,f", *lines), "PM811") == []

    def test_a_pipe_reads_what_it_likes(self) -> None:
        assert found(acct("records d", "record-fields d orig", name="|/bin/x --a=b"), "PM811") == []


FBL = "<feedback-loop-processor>\n  <address-list>\n    {}\n  </address-list>\n</feedback-loop-processor>\n"
BARE = MAIN[: MAIN.index("<feedback-loop")]


class TestProcessors:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (BARE, ["`records f`, but no <feedback-loop-processor>"]),
            (MAIN.replace("d,b,t,f", "d,b,t,f,rb,rs"), ["`records rb,rs`, but no <bounce-processor>"]),
            (MAIN, []),
            (BARE.replace("d,b,t,f", "d,b,t"), []),
            (BARE.replace("log-file /var/log/pmta/pmta.log\n", "include away.conf\n"), []),
            (acct("records f,rb"), []),
        ],
    )
    def test_records_need_one(self, text: str, said: list[str]) -> None:
        assert [one.message for one in found(text, "PM812")] == said

    @pytest.mark.parametrize(
        "text",
        [
            MAIN.replace("relay-domain fbl.example.com\n", ""),
            MAIN.replace("relay-domain fbl", "relay-domain other"),
            MAIN.replace("relay-domain fbl", "relay-domain *.fbl"),
            MAIN.replace("192.0.2.1:25", "127.0.0.1:25"),
            MAIN.replace("192.0.2.1:25", "192.0.2.1:2525"),
            BARE + FBL.format("address fbl@fbl2.example.com"),
            BARE + FBL.format(r"address /fbl@fbl2\.example\.com/"),
            BARE + FBL.format("domain fbl2.example.com"),
            MAIN + "<source 127.0.0.1>\n  always-allow-relaying yes\n</source>\n" + FBL.format("domain b.example"),
            BARE.replace("relay-domain fbl.example.com\n", "") + FBL.format("address fbl"),
        ],
    )  # fmt: skip
    def test_nothing_reaches_it(self, text: str) -> None:
        assert len(found(text, "PM813")) == 1

    @pytest.mark.parametrize(
        "text",
        [
            MAIN,
            MAIN.replace("relay-domain fbl.example.com", "relay-domain [*.]example.com"),
            MAIN.replace("relay-domain fbl.example.com", "relay-domain *"),
            MAIN.replace("relay-domain fbl.example.com", "host-name fbl.example.com"),
            MAIN.replace("relay-domain fbl.example.com", "domain-macro t com, de\nrelay-domain fbl.example.$t"),
            MAIN.replace("relay-domain fbl.example.com", "relay-address fbl@fbl.example.com"),
            MAIN.replace("relay-domain fbl.example.com\n", "") + "<source 10.0.0.5>\n  always-allow-relaying yes\n</source>\n",
            MAIN.replace("smtp-listener 192.0.2.1:25\n", ""),
            MAIN.replace("192.0.2.1:25", "0/0:25"),
            MAIN.replace("192.0.2.1:25", "10.0.0.5:25 source=x") + "<source x>\n</source>\n",
            BARE + FBL.format(r"address /^fbl@(fbl|abuse)\.example/"),
            MAIN.replace("fbl.example.com", "bücher.example", 1).replace("fbl.example.com", "xn--bcher-kva.example"),
        ],
    )  # fmt: skip
    def test_it_is_reached_or_nobody_can_tell(self, text: str) -> None:
        assert found(text, "PM813") == []

    def test_late_bounces_must_be_recorded(self) -> None:
        text = MAIN + "<bounce-processor>\n</bounce-processor>\n"
        assert [one.code for one in found(text, "PM814")] == ["PM814"]
        assert found(text.replace("d,b,t,f", "d,b,t,f,rs"), "PM814") == []


def source(name: str, *lines: str) -> str:
    return f"<source {name}>\n" + "".join(f"  {line}\n" for line in lines) + "</source>\n"


RELAYS = ("always-allow-relaying yes", "process-x-virtual-mta yes")


class TestJobs:
    def test_a_source_of_campaigns_reads_x_job(self) -> None:
        (one,) = found(source("192.0.2.9", *RELAYS), "PM815")
        assert (one.line, one.severity) == (3, "warning")

    @pytest.mark.parametrize(
        "text",
        [
            source("192.0.2.9", *RELAYS, "process-x-job true"),
            source("192.0.2.9", *RELAYS, "jobid-header X-Campaign"),
            source("192.0.2.9", *RELAYS) + source("0/0", "process-x-job yes"),
            source("192.0.2.9", "always-allow-relaying yes"),
            source("0/0", "process-x-virtual-mta yes"),
            source("{pickup}", *RELAYS),
        ],
    )
    def test_what_reads_it_or_takes_no_campaigns_is_fine(self, text: str) -> None:
        assert found(text, "PM815") == []

    def test_a_wider_network_lets_it_relay(self) -> None:
        text = source("192.0.2.0/24", "always-allow-relaying yes") + source("192.0.2.9", RELAYS[1])
        assert len(found(text, "PM815")) == 1
        assert found(text + source("192.0.2.0/28", "process-x-job yes"), "PM815") == []
