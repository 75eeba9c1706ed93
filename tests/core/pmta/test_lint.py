"""The linter on whole configurations: right on good ones, and it finds what is seeded into them."""

from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from email_engine.cli import main
from email_engine.fleet.model import Mode, MtaBase, MtaHost
from email_engine.fleet.providers import shipped_providers
from email_engine.paths import CONFIG
from email_engine.pmta.config.deploy_policy import deploy_policy
from email_engine.pmta.config.layout import compose
from email_engine.pmta.config.render import render_host
from email_engine.pmta.language.assembly import Assembly, assemble
from email_engine.pmta.lint import LintFinding, Severity, lint
from email_engine.pmta.lint.rule import MAIN
from tests.core.pmta.records import record
from tests.core.realistic import REALISTIC

SHIPPED_BY_PORT25 = """\
# a configuration in the manner of the one that comes with PowerMTA
postmaster\tyou@your.domain
smtp-listener 127.0.0.1:25
domain-macro\thotmail\thotmail.com,msn.com
<source 127.0.0.1>
    always-allow-relaying yes   # allow feeding from 127.0.0.1
    process-x-virtual-mta yes
    max-message-size 0          # 0 implies no cap
    smtp-service yes
</source>
<source 0/0>
    log-connections no
    log-commands    no          # WARNING: verbose!
    log-data        no
    default-virtual-mta by-smtp-source-ip
</source>
<domain $hotmail>
    max-smtp-out\t10
</domain>
<domain [*.]example.org>
    smtp-hosts [192.0.2.25]:25,mx.example.org;backup.example.org
    auth-username ""
</domain>
<domain [192.0.2.0/24]>
    retry-after 10m,10m,1h
</domain>
<domain *>
    max-smtp-out    20
    bounce-after    4d12h
    dkim-sign yes
</domain>
<bounce-category-patterns>
    /spam or virus/ spam-related
    /^[45]\\.1\\.[1-46]/ bad-mailbox
    /\\(\\w+-quota\\)|mailbox[^\\]]*full/ quota-issues
    // other
</bounce-category-patterns>
log-file /var/log/pmta/log        # logrotate is not used
run-as-root no
http-mgmt-port 8080
http-access 127.0.0.1 monitor
http-access 10.1.0.0/16 none
<spool /var/spool/pmta>
    deliver-only no
</spool>
"""


BASE = MtaBase("ops@example.com", ("10.0.0.5:2525", "127.0.0.1:25"))
REPORTED = MtaBase(
    "ops@example.com", ("127.0.0.1:2525", "10.0.0.5:25"), complaint_addresses=("fbl@fbl.example.com", "arf@fbl.example.com"),
    bounce_addresses=("late@bounce.example.com",),
)  # fmt: skip


def found(text: str, **given: object) -> tuple[LintFinding, ...]:
    return lint(assemble(text, "config"), **given)  # type: ignore[arg-type]


def shown(findings: tuple[LintFinding, ...]) -> list[str]:
    return [f"{f.line} {f.severity} {f.code}" for f in findings]


def serious(findings: tuple[LintFinding, ...]) -> list[str]:
    return [f.code for f in findings if f.severity is not Severity.INFO]


class TestGoodConfigurations:
    @pytest.mark.parametrize("version", ["4.5", "5.0", "5.0r1", "5.0r5", "5.5"])
    def test_the_realistic_one_of_the_facts_has_nothing(self, version: str) -> None:
        assert found(REALISTIC, version=version) == ()

    def test_the_vendor_s_own_style_has_only_true_remarks(self) -> None:
        findings = found(SHIPPED_BY_PORT25)
        assert {f.code for f in findings} == {"PM803", "PM815"}

    @pytest.mark.parametrize("version", ["4.5", "5.0"])
    @pytest.mark.parametrize("base", [None, BASE, REPORTED], ids=["included", "whole", "whole with reports"])
    @pytest.mark.parametrize("ips", [1, 7, 100, 1000])
    def test_what_the_engine_renders_has_nothing(self, ips: int, base: MtaBase | None, version: str) -> None:
        states = ("active", "active", "warming", "standby", "retiring")
        records = tuple(
            record(
                n,
                vmta=f"v{n}",
                state=states[n % 5],
                mailwizz_addresses=(ip_address("10.0.0.9"),),
                allowance=n % 7 * 500,
                address=record(1).address + n,
            )
            for n in range(1, ips + 1)
        )
        sections = render_host(
            MtaHost("mta-1", "powermta_mta-1", version=version, base=base),
            records,
            shipped_providers(),
            deploy_policy(),
        )
        findings = found(compose(sections, None, {"aurora": Mode.ACT}), version=version)
        assert serious(findings) == (["PM803"] if base is BASE else [])
        if base is BASE:
            (one,) = [f for f in findings if f.code == "PM803"]
            assert one.remedy.startswith(
                "add a <feedback-loop-processor> with the addresses to which complaint reports"
            )

    @pytest.mark.parametrize("host", ["mta-1", "mta-2"])
    @pytest.mark.parametrize(
        "keys",
        [
            "",
            ", bounce_addresses: [b@late.example.com, c@late.example.com]",
        ],
        ids=["complaints", "late bounces too"],
    )
    @pytest.mark.parametrize("whole", [False, True], ids=["included", "whole"])
    def test_the_example_fleet_renders_to_nothing_to_remark(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str, keys: str, whole: bool
    ) -> None:
        text = (CONFIG / "fleet.yaml").read_text()
        if whole:
            base = "    base: {postmaster: ops@example.com, listeners: ['0.0.0.0:25'], "
            base += f"complaint_addresses: [fbl@fbl.example.com]{keys}}}\n"
            for name in ("mta-1", "mta-2"):
                line = f"    connection: powermta_{name}"
                text = text.replace(line, f"{base}{line}", 1)
        fleet = tmp_path / "fleet.yaml"
        fleet.write_text(text)
        assert main(["render", "--fleet", str(fleet), "--host", host]) == 0
        findings = found(capsys.readouterr().out, version="5.0r5")
        assert serious(findings) == []
        assert {f.code for f in findings} <= {"PM316", "PM708", "PM904"}, (
            "warming IPs, keys elsewhere, spare macros"
        )

    def test_an_empty_file_has_nothing(self) -> None:
        assert found("") == ()


WRONG = [
    ("virtual-mta-pool p", "virtual-mta vmta-1 weight 100", "PM204"),
    ("virtual-mta v", "domain-key base.example,mail.base.example,*,/k.pem", "PM219"),
    ("domain *", "max-msg-rate 1000/hour", "PM214"),
    ("domain *", "max-msg-rate 60/minute", "PM214"),
    ("virtual-mta v", "smtp-source-host example.com 192.0.2.10", "PM213"),
    ("source 192.0.2.1", "default-virtual-mta-pool NAME", "PM203"),
    ("", "smtp-listener 0.0.0.0:2525 { require-auth yes }", "PM106"),
    ("", "smtp-listener 0.0.0.0:2525 {", "PM106"),
    ("", "virtual-mta vmta-1 {", "PM106"),
    ("", '<virtual-mta name="v1">', "PM107"),
    ("", "<max-smtp-out>20</max-smtp-out>", "PM107"),
    ("source 192.0.2.1", "process-x-sender yes", "PM202"),
    ("", "virtual-mta-pool-map a b", "PM202"),
    ("pattern-list x", "user@example.com vmta-1", "PM205"),
    ("acct-file /a", "records all", "PM801"),
    ("acct-file /a", "records d,p", "PM801"),
    ("acct-file /a", "records complaint", "PM801"),
    ("acct-file /a", "format csv", "PM802"),
    ("virtual-mta v", "dkim-key /x", "PM202"),
    ("virtual-mta v", "dkim-domain example.com", "PM202"),
    ("domain *", "dkim-selector s1", "PM202"),
    ("domain *", "backoff-mode yes", "PM202"),
    ("domain *", "max-rcpt-rate 100/h", "PM202"),
    ("virtual-mta v", "bind-to-source-ip yes", "PM202"),
    ("virtual-mta v", "smtp-source-ip 192.0.2.1", "PM202"),
    ("virtual-mta-pool p", "source-hash yes", "PM202"),
    ("", "pmta check config", "PM202"),
    ("", "check-config", "PM202"),
    ("", "verify", "PM202"),
    ("", "validate", "PM202"),
    ("", "pmta --config-test", "PM202"),
    ("", "pmtad --check-config", "PM202"),
    ("virtual-mta v", "auto-warmup yes", "PM202"),
    ("virtual-mta v", "cold-virtual-mta 192.0.2.0/24 mail.example.com", "PM217"),
    ("virtual-mta v", "max-msg-rate 100/h", "PM501"),
]
"""Block, line and code: the snippets of the facts' table that are not PowerMTA."""


class TestSnippetsOfTheWeb:
    @pytest.mark.parametrize(("block", "line", "code"), WRONG, ids=[line for _, line, _ in WRONG])
    def test_the_wrong_ones_are_errors_on_their_line(self, block: str, line: str, code: str) -> None:
        text = f"<{block}>\n{line}\n</{block.split()[0]}>\n" if block else f"# first\n{line}\n"
        assert (2, Severity.ERROR, code) in {(f.line, f.severity, f.code) for f in found(text)}

    def test_several_domains_in_one_block_are_an_error(self) -> None:
        assert "1 error PM304" in shown(found("<domain a.example b.example>\n</domain>\n"))

    def test_a_cold_cap_as_a_quota_is_an_error(self) -> None:
        text = "<virtual-mta v>\n<domain *>\nmax-cold-virtual-mta-msg 50/day\n</domain>\n</virtual-mta>\n"
        assert "3 error PM502" in shown(found(text))

    @pytest.mark.parametrize(
        ("block", "line"),
        [
            ("virtual-mta v", "domain-key default,example.com,/path/x.key"),
            ("virtual-mta v", "domain-key dkim, *, /path"),
            ("domain *", "max-msg-rate 100/h"),
            ("domain *", "max-msg-rate unlimited"),
            ("domain *", 'queue-to "name"'),
            ("source {pmta-auth}", "always-allow-relaying yes"),
            ("source 192.0.2.1", "process-x-virtual-mta yes"),
            ("smtp-user u", "source {pmta-auth}"),
        ],
    )
    def test_the_right_ones_pass(self, block: str, line: str) -> None:
        text = f"<{block}>\n{line}\n</{block.split()[0]}>\n"
        assert [f for f in found(text) if f.severity is Severity.ERROR] == []


SEEDED = [
    ("max-smtp-out 10\n <domain *>", "max-smtp-outs 10\n <domain *>", "PM201"),
    ("</virtual-mta>", "", "PM105"),
    ("smtp-pattern-list blocking-errors\n back", "smtp-pattern-list missing\n back", "PM402"),
    ("default-virtual-mta pool-a", "default-virtual-mta pool-b", "PM404"),
    ("virtual-mta vmta-1\n<", "virtual-mta vmta-2\n<", "PM401"),
    (" virtual-mta vmta-1\n</virtual-mta-pool>", "</virtual-mta-pool>", "PM313"),
    ("source app-auth\n</smtp-user>", "source nobody\n</smtp-user>", "PM405"),
    ("smtp-listener 10.0.0.5:2525", "smtp-listener 10.0.0.5:2525 source=nobody", "PM405"),
    ("<virtual-mta-pool pool-a>", "<virtual-mta-pool vmta-1>", "PM311"),
    (" dkim-sign yes\n", "", "PM701"),
    (" always-allow-relaying no\n", " always-allow-relaying yes\n", "PM601"),
    ("http-access 127.0.0.1 admin", "http-access ::/0 monitor", "PM603"),
    ("password REPLACE", "password RE#PLACE", "PM605"),
    ("records d,b,t\n", "records d,b\n", "PM803"),
    ("move-to /var/log/pmta/done\n", "", "PM806"),
    (",reenable-after=6h", "", "PM510"),
    ("/exceeded the rate limit/", "/exceeded (the rate limit/", "PM225"),
    ("outlook.com outlook.rollup", "outlook.com outlook", "PM223"),
    ("smtp-hosts lookup-mx:outlook.com\n", "", "PM341"),
    ("<domain outlook.rollup>", "<domain $outlook>", "PM408"),
    ("backoff-max-msg-rate 30/h", "backoff-max-msg-rate 1/s", "PM508"),
    ("max-smtp-msg-rate 50/d  # whole IP", "max-msg-rate 50/d", "PM501"),
    ("run-as-root no", "run-as-root no\nrelay-domain *", "PM611"),
    ("postmaster ops@example.com", "", "PM333"),
    ("log-file /var/log/pmta/pmta.log", "", "PM331"),
]


class TestSeededMistakes:
    @pytest.mark.parametrize(
        ("right", "wrong", "code"), SEEDED, ids=[f"{c} {w[:30]!r}" for _, w, c in SEEDED]
    )
    def test_a_mistake_in_the_realistic_one_is_found(self, right: str, wrong: str, code: str) -> None:
        assert right in REALISTIC
        findings = found(REALISTIC.replace(right, wrong, 1))
        assert code in {f.code for f in findings if f.severity is not Severity.INFO}


class TestOpenRelays:
    @pytest.mark.parametrize("everybody", ["0/0", "0.0.0.0/0", "::/0"])
    def test_everybody_however_written(self, everybody: str) -> None:
        text = f"<source {everybody}>\nalways-allow-relaying true\n</source>\n"
        assert "2 error PM601" in shown(found(text))

    @pytest.mark.parametrize(
        ("listener", "severity"),
        [
            ("smtp-listener 192.0.2.1:25 source=app", "error"),
            ("<smtp-listener 192.0.2.1:25>\nsource app\n</smtp-listener>", "error"),
            ("smtp-listener 127.0.0.1:25 source=app", None),
            ("smtp-listener 192.0.2.1:25", None),
        ],
    )
    def test_a_named_source_that_a_listener_gives_away(self, listener: str, severity: str | None) -> None:
        text = f"<source app>\nalways-allow-relaying yes\n</source>\n{listener}\n"
        assert [f.severity for f in found(text) if f.code == "PM601"] == ([severity] if severity else [])

    def test_with_a_login_it_is_a_warning(self) -> None:
        text = "<source 0/0>\nalways-allow-relaying yes\nrequire-auth yes\n</source>\n"
        assert "2 warning PM601" in shown(found(text))


A_VMTA = "<virtual-mta v>\n  smtp-source-host 192.0.2.1 m1.example.com\n{}</virtual-mta>\n"
ROUTE = "<pattern-list r>\n{}\n</pattern-list>\n<source 192.0.2.9>\npattern-list r\n</source>\n"


class TestRates:
    @pytest.mark.parametrize(
        "rate", ["100/0m", "9" * 400 + "/h", "9" * 5000 + "/h", "100/" + "9" * 5000 + "h"]
    )
    def test_a_rate_beyond_all_bounds_is_no_exception(self, rate: str) -> None:
        text = f"<domain *>\nmax-msg-rate {rate}\nbackoff-max-msg-rate {rate}\n</domain>\n"
        found(text + A_VMTA.format(f"max-smtp-msg-rate {rate}\n"))

    @pytest.mark.parametrize(
        ("line", "remedy"),
        [
            ("max-cold-virtual-mta-msg 10/h", "50/d"),
            ("max-data-volume-rate 10/hour", "10m/h"),
            ("source-ip-max-connect-rate 10/8 5/hour", "192.0.2.0/24"),
            ("max-msg-rate 5/hour", "250/h"),
        ],
    )
    def test_the_remedy_is_right_for_the_directive(self, line: str, remedy: str) -> None:
        findings = found(f"<domain *>\n{line}\n</domain>\n")
        assert [remedy in f.remedy for f in findings if f.code == "PM214"] == [True]

    def test_a_volume_may_be_written_like_a_size(self) -> None:
        assert found("<domain *>\nmax-data-volume-rate 10M/h\n</domain>\n") == ()


class TestPatternLists:
    def test_a_list_that_is_called_has_to_be_there(self) -> None:
        findings = found(MAIN + ROUTE.format("mail-from /x/ call-to:gone"))
        assert shown(findings) == [f"{MAIN.count(chr(10)) + 2} error PM403"]

    def test_a_list_that_is_called_is_used(self) -> None:
        called = "<pattern-list s>\nmail-from /y/ recipient-priority=9\n</pattern-list>\n"
        codes = {f.code for f in found(MAIN + called + ROUTE.format("mail-from /x/ call-to:s"))}
        assert not codes & {"PM403", "PM904"}


class TestSmtpHosts:
    def test_an_address_without_brackets_is_a_warning(self) -> None:
        text = "<domain a.example>\nsmtp-hosts 192.0.2.7:587,mail.example.com\n</domain>\n"
        assert shown(found(text)) == ["2 warning PM902"]


class TestAlmostAddresses:
    @pytest.mark.parametrize("address", ["10.0.0.300", "256.1.1.1", "1.2.3.4567"])
    def test_are_not_taken_for_names(self, address: str) -> None:
        assert shown(found(f"<source {address}>\nsmtp-service yes\n</source>\n")) == ["1 warning PM305"]

    @pytest.mark.parametrize("address", ["10.0.0.30", "255.255.255.255", "app", "1.2.3", "10.0.0.1a"])
    def test_others_pass(self, address: str) -> None:
        assert shown(found(f"<source {address}>\nsmtp-service yes\n</source>\n")) == []


class TestColdOnes:
    def test_one_that_another_warms_belongs_into_no_pool(self) -> None:
        cold = A_VMTA.replace("v>", "c>").replace("192.0.2.1 ", "192.0.2.2 ").format("")
        warm = A_VMTA.format("cold-virtual-mta c\n<domain *>\nmax-cold-virtual-mta-msg 9/d\n</domain>\n")
        assert [f.line for f in found(warm + cold) if f.code == "PM316"] == [1]


class TestReleases:
    @pytest.mark.parametrize(
        ("version", "codes"), [("4.5", {"PM206"}), ("5.0r1", {"PM206"}), ("5.0", set()), ("5.0r5", set())]
    )
    def test_a_reply_says_how_long_backoff_lasts_since_5_0r5(self, version: str, codes: set[str]) -> None:
        text = "<smtp-pattern-list p>\nreply /blocked/ mode=backoff,backoff-to-normal-after=1h\n</smtp-pattern-list>\n"
        assert {f.code for f in found(text, version=version)} == codes


class TestNeverReached:
    @pytest.mark.parametrize(
        "text",
        [
            "http-access 127.0.0.1 admin\nhttp-access 10/8 monitor\nhttp-access 0/0 none\n",
            "<pattern-list r>\nmail-from /.*/ call-to:s\nmail-from /x/ recipient-priority=9\n</pattern-list>\n",
        ],
    )
    def test_what_is_reached_passes(self, text: str) -> None:
        assert not {f.code for f in found(text)} & {"PM310", "PM613"}


class TestSecrets:
    @pytest.mark.parametrize(
        "line",
        [
            "http-api-key hunter2-hunter2",
            "<smtp-user u>\npassword hunter2#hunter2\npassword hunter2\n</smtp-user>",
            "<domain *>\nauth-password hunter2 hunter2\nauth-password\thunter2\n</domain>",
            '<smtp-user u password="hunter2">',
            "<smtp-user u password=hunter2>",
            "<smtp-user u hunter2>",
            "<domain *>\nhttp-delivery-url ftp://user:hunter2@example.com/\n</domain>",
            "<vault>\naccess-token hunter2#x\n</vault>",
            "<smtp-user u>\npassword=hunter2\n</smtp-user>",
            "<smtp-user u>\npasword hunter2\n</smtp-user>",
            "<domain *>\nsmtp-client-certificate c.pem,d hunter2\n</domain>",
        ],
    )
    def test_never_stand_in_a_finding(self, line: str) -> None:
        assert "hunter2" not in str(found(line))


class TestFragments:
    def test_are_not_blamed_for_what_only_the_main_file_has(self) -> None:
        text = "<virtual-mta v>\nsmtp-source-host 192.0.2.1 mail.example.com\n</virtual-mta>\n"
        assert {f.code for f in found(text)} == {"PM316"}

    def test_a_name_that_another_file_may_define_is_no_error(self) -> None:
        text = "<domain *>\nsmtp-pattern-list replies\n</domain>\n"
        assert shown(found(text)) == ["2 warning PM402"]

    def test_a_line_for_the_web_monitor_alone_makes_no_main_file(self) -> None:
        assert found("http-mgmt-port 8080\nhttp-access 127.0.0.1 admin\n") == ()


def joined(**files: str) -> Assembly:
    """`main` with the other files by their names; a name with _ is what `x/*` names."""
    texts = {name.replace("_", "/") + ".conf": text for name, text in files.items() if name != "main"}

    def read(value: str, file: str) -> list[tuple[str, str]] | None:
        named = [(n, t) for n, t in texts.items() if n == value or (value == "x/*" and n.startswith("x/"))]
        return named or None

    return assemble(files["main"], "main.conf", read)


VMTA = "<virtual-mta v1>\nsmtp-source-host 192.0.2.1 mail.example.com\n</virtual-mta>\n"


class TestIncludes:
    def test_names_of_included_files_count_and_findings_name_their_file(self) -> None:
        pool = "# pools\n<virtual-mta-pool p>\nvirtual-mta v1\nvirtual-mta v2\n</virtual-mta-pool>\n"
        findings = lint(joined(main=MAIN + "include v.conf\ninclude p.conf\n", v=VMTA, p=pool))
        assert [(f.file, f.line, f.code) for f in findings] == [("p.conf", 4, "PM401")]

    def test_an_include_that_was_not_read_leaves_names_open(self) -> None:
        pool = "<virtual-mta-pool p>\nvirtual-mta v1\n</virtual-mta-pool>\n"
        findings = lint(joined(main=MAIN + "include away.conf\n" + pool))
        assert [(f.line - MAIN.count("\n"), f.severity, f.code) for f in findings] == [
            (1, "warning", "PM334"),
            (3, "info", "PM401"),
        ]

    def test_inside_of_a_block_the_lines_belong_to_the_block(self) -> None:
        main = "<virtual-mta v1>\nsmtp-source-host 192.0.2.1 m.example.com\n<domain *>\ninclude d.conf\n</domain>\n</virtual-mta>\n"
        findings = lint(joined(main=main, d="\nmax-msg-rate 1/hour\nmax-smtp-msg-rate 1/d\n"))
        assert [(f.file, f.line, f.code) for f in findings] == [
            ("d.conf", 2, "PM214"),
            ("d.conf", 3, "PM301"),
            ("main.conf", 1, "PM316"),
        ]

    def test_a_virtual_mta_may_have_its_host_from_an_include(self) -> None:
        main = "<virtual-mta v1>\ninclude h.conf\n</virtual-mta>\n"
        assert "PM317" not in {
            f.code for f in lint(joined(main=main, h="smtp-source-host 192.0.2.1 m.example.com\n"))
        }
        assert "PM317" not in {f.code for f in lint(joined(main=main))}
        assert "PM317" in {f.code for f in lint(joined(main=main, h="max-smtp-out 3\n"))}

    @pytest.mark.parametrize(
        ("main", "late"),
        [("include x/*\ninclude s.conf\n", False), ("include s.conf\ninclude x/*\n", True)],
    )
    def test_the_order_of_pattern_list_and_source_is_that_of_reading(self, main: str, late: bool) -> None:
        source = "<source 192.0.2.9>\npattern-list routes\n</source>\n"
        lists = "<pattern-list routes>\n</pattern-list>\n"
        findings = lint(joined(main=main, s=source, x_a="# nothing\n", x_b=lists))
        assert ("PM410" in {f.code for f in findings}) is late

    def test_a_circle_is_an_error_and_no_endless_loop(self) -> None:
        findings = lint(joined(main="include a.conf\n", a="include a.conf\n"))
        assert [(f.file, f.code) for f in findings] == [("a.conf", "PM335")]

    def test_a_file_that_is_named_twice_twenty_deep_ends(self) -> None:
        files = {f"f{n}": f"include f{n + 1}.conf\n include  f{n + 1}.conf\n" for n in range(19)}
        lint(joined(main="include f0.conf\n", **files, f19="max-smtp-outs 1\n"))


class TestCase:
    @pytest.mark.parametrize(
        "text",
        [
            "<domain *>\nUse-StartTLS yes\n</domain>\n",
            "<domain *>\nuse-starttls Yes\n</domain>\n",
            "<domain *>\nmax-msg-rate 250/H\n</domain>\n",
            "<Domain *>\n</Domain>\n",
        ],
    )
    def test_words_in_another_case_are_a_warning(self, text: str) -> None:
        assert [(f.severity, f.code) for f in found(text)] == [("warning", "PM208")]

    def test_a_name_in_another_case_is_a_warning(self) -> None:
        text = f"{MAIN}{VMTA}<virtual-mta-pool p>\nvirtual-mta V1\n</virtual-mta-pool>\n"
        assert [f.code for f in found(text) if f.severity is Severity.WARNING] == ["PM413"]


class TestQueuesOfPowerMta:
    @pytest.mark.parametrize(
        ("name", "codes"), [("{bounce}", set()), ("{gmImprinter}", {"PM902"}), ("{two words}", {"PM304"})]
    )
    def test_a_queue_that_the_guide_does_not_list_is_no_error(self, name: str, codes: set[str]) -> None:
        assert {f.code for f in found(f"<domain {name}>\nretry-after 15s\n</domain>\n")} == codes


class TestNearestName:
    def test_a_misspelled_directive_is_told_with_the_nearest_known_one(self) -> None:
        (finding,) = [f for f in found("<domain *>\nmax-mgs-rate 1/h\n</domain>\n") if f.code == "PM201"]
        assert "`max-msg-rate`" in finding.message

    def test_a_directive_in_the_wrong_place_is_told_where_it_may_stand(self) -> None:
        (finding,) = found("bounce-after 1d\n")
        assert finding.remedy == "move the line: it stands in <domain>"


LINES = st.one_of(
    st.sampled_from(
        [*REALISTIC.splitlines(), *SHIPPED_BY_PORT25.splitlines(), "domain-macro a $a", "reply //"]
    ),
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.builds(
        "{} {}".format,
        st.sampled_from(
            [
                "domain-key",
                "mx",
                "reply",
                "records",
                "smtp-source-host",
                "include",
                "virtual-mta",
                "http-access",
            ]
        ),
        st.text('ab.,*/\\[](){}?#"$ 0123456789:', max_size=25),
    ),
)


class TestAnything:
    @settings(max_examples=300, deadline=None)
    @given(st.lists(LINES, max_size=40))
    def test_lints_without_an_exception_and_always_alike(self, lines: list[str]) -> None:
        text = "\n".join(lines)
        assert found(text) == found(text)

    def test_findings_come_by_file_and_line(self) -> None:
        findings = found(REALISTIC[: len(REALISTIC) // 2] * 2)
        assert [f.line for f in findings] == sorted(f.line for f in findings)


def big(vmtas: int) -> str:
    providers = "".join(
        f"  <domain p{n}.example>\n    max-msg-rate 250/h\n    max-smtp-out {n}\n  </domain>\n"
        for n in range(1, 9)
    )
    star = "  <domain *>\n    dkim-sign yes\n    max-msg-rate 1000/h\n    backoff-max-msg-rate 1/m\n  </domain>\n"
    return "".join(
        f"<virtual-mta v{n}>\n  smtp-source-host 10.{n >> 16}.{n >> 8 & 255}.{n & 255} m{n}.example.com\n"
        f"  domain-key s1,x{n}.example,/etc/k/{n}.pem\n  max-smtp-msg-rate {n + 1}/d\n{star}{providers}</virtual-mta>\n"
        for n in range(vmtas)
    )


def test_ten_thousand_virtual_mtas_are_read_to_the_end() -> None:
    """How fast is the bench's matter (`make bench`): clocks of loaded machines prove nothing."""
    assert {f.code for f in lint(assemble(big(10_000), "config"))} == {"PM316"}
