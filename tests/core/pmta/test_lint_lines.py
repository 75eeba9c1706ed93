"""One cause, one finding: broken lines, templates, and unknown names with what they may have meant."""

import pytest

from email_engine.pmta.language.assembly import assemble
from email_engine.pmta.lint import LintFinding, Severity, lint
from email_engine.pmta.lint.finding import grouped
from email_engine.pmta.lint.rule import MAIN
from tests.work import calls


def found(text: str) -> list[LintFinding]:
    return list(lint(assemble(text, "config"), version="5.0r5"))


def errors(text: str) -> list[str]:
    return [f"{one.line} {one.code}" for one in found(text) if one.severity is Severity.ERROR]


VMTA = "<virtual-mta {}>\n  smtp-source-host {} {}\n  domain-key s1,{},/etc/pmta/s1.pem\n</virtual-mta>\n"


class TestBrokenLines:
    @pytest.mark.parametrize(
        ("text", "lines"),
        [
            ("domain-macro big a.example,b.example,\nc.example,d.example\n<domain $big>\n</domain>\n", [2]),
            ("domain-macro big a.example,\n  b.example,\n  c.example\n<domain $big>\n</domain>\n", [2, 3]),
            ("<bounce-category-patterns>\n  /(user|mailbox) (is\n  disabled)/ inactive-mailbox\n</bounce-category-patterns>\n", [3]),
            ("<bounce-category-patterns>\n  /(a|\n  b|\n  c)\n  / other\n</bounce-category-patterns>\n", [3, 4, 5]),
            ("<virtual-mta v>\n  smtp-source-host 192.0.2.1\n    mail1.example.com\n</virtual-mta>\n", [3]),
            ("<virtual-mta v>\n  smtp-source-host 192.0.2.1 \\\n    mail1.example.com\n</virtual-mta>\n", [3]),
            ("<domain *>\n  max-msg-rate\n  100/h\n</domain>\n", [3]),
            ("<domain *>\n  retry-after 10m,\n  20m,1h\n</domain>\n", [3]),
            ("<smtp-pattern-list r>\n  reply /too many\n   connections/ skip-mx\n</smtp-pattern-list>\n", [3]),
            ("# this comment is so long that an editor\nput the rest of it here\nrun-as-root no\n", [2]),
            ("<domain a.example>\n  smtp-hosts h1.example,\n  h2.example, nonsense/here\n</domain>\n", [3]),
        ],
    )  # fmt: skip
    def test_each_is_told_once_where_it_continues(self, text: str, lines: list[int]) -> None:
        assert errors(text) == [f"{line} PM112" for line in lines]

    @pytest.mark.parametrize(
        ("text", "codes"),
        [
            ("<domain *>\n  max-msg-rate\n  max-smtp-out 2\n</domain>\n", ["2 PM211"]),
            ("<domain *>\n  max-msg-rate\n\n  100/h\n</domain>\n", ["2 PM211", "4 PM201"]),
            ("<domain *>\n  max-smtp-outs 2\n  retry-afters 10m\n</domain>\n", ["2 PM201", "3 PM201"]),
            ("<domain *>\n  retry-after 10m,\n  max-smtp-out 2\n</domain>\n", ["2 PM216"]),
            ("# limits\nmax-smtp-outs 2\n", ["2 PM201"]),
        ],
    )
    def test_what_is_wrong_by_itself_is_told_as_what_it_is(self, text: str, codes: list[str]) -> None:
        assert errors(text) == codes

    @pytest.mark.parametrize(
        ("text", "lines"),
        [
            ("<virtual-mta\n  v1>\n  smtp-source-host 192.0.2.1 m.example.com\n</virtual-mta>\n", [2]),
            ("<virtual-mta v1\n>\n  smtp-source-host 192.0.2.1 m.example.com\n</virtual-mta>\n", [2]),
            ("<\nvirtual-mta v1>\n  smtp-source-host 192.0.2.1 m.example.com\n</virtual-mta>\n", [2]),
            ("<virtual-mta # of the shop\n  v1>\n  smtp-source-host 192.0.2.1 m.example.com\n</virtual-mta>\n", [2]),
            ("<domain\n  a.example\n>\n  max-smtp-out 2\n</domain>\n", [2, 3]),
            (VMTA.format("v", "192.0.2.1", "m.example.com", "*").replace("</", "  <domain\n *>\n max-smtp-out 2\n</domain>\n</"), [5]),
            ("<virtual-mta\nv1>\nsmtp-source-host 192.0.2.1 m.example.com\n<domain\n*>\nmax-smtp-out 2\n</domain>\n</virtual-mta>\n", [2, 5]),
            ("<domain\na.example>\n  max-smtp-out 2\n</domain>\n<domain\nb.example>\n</domain>\n<domain c.example>\n</domain>\n", [2, 6]),
        ],
    )  # fmt: skip
    def test_a_broken_opening_tag_is_told_once_and_what_it_opens_is_judged_as_usual(
        self, text: str, lines: list[int]
    ) -> None:
        assert errors(text) == [f"{line} PM112" for line in lines]

    def test_in_a_block_with_a_broken_tag_mistakes_are_told_on_their_lines(self) -> None:
        text = "<domain\n  a.example>\n  max-smtp-outs 2\n</domain>\nrun-as-root no\nweird 1\n"
        assert errors(text) == ["2 PM112", "3 PM201", "6 PM201"]

    @pytest.mark.parametrize(
        "text",
        ["<domain\n  a.example\n", "<domain\n\n  a.example>\n</domain>\n", "<domain a\n# x\nb>\n", "<\n", "<domain\n<domain a>\n</domain>\n"],
    )  # fmt: skip
    def test_what_is_no_tag_in_several_lines_is_told_as_before(self, text: str) -> None:
        assert "PM103" in {code.split()[1] for code in errors(text)}

    @pytest.mark.parametrize("closed", [True, False])
    def test_thousands_of_broken_tags_within_each_other_are_read(self, closed: bool) -> None:
        tags = [f"t{n}" for n in range(2_000)]
        text = "".join(f"<{tag}\nx>\n" for tag in tags) + "".join(
            f"</{tag}>\n" for tag in reversed(tags) if closed
        )
        assert any(one.code == "PM112" for one in found(text))

    def test_many_broken_tags_are_as_much_work_as_they_are_long(self) -> None:
        def work(count: int) -> int:
            text = "<domain\na.example>\n" * count + "</domain>\n"
            return calls(lambda: found(text))

        assert work(2_000) < 5 * work(500)

    def test_a_password_on_a_line_of_its_own_is_not_shown(self) -> None:
        text = "<smtp-user app>\n  password\n  S3cr3t!of=mine+and/yours\n</smtp-user>\n"
        assert "S3cr3t" not in " ".join(f"{one.message} {one.remedy}" for one in found(text))

    def test_many_broken_lines_are_as_much_work_as_they_are_long(self) -> None:
        def work(count: int) -> int:
            text = "domain-macro big a.example,\n" + "b.example,\n" * count
            return calls(lambda: found(text))

        assert work(4_000) < 5 * work(1_000)


class TestTemplates:
    @pytest.mark.parametrize(
        ("text", "lines", "shown"),
        [
            (VMTA.format("{{name}}", "{{ip}}", "{{host}}", "{{domain}}"), 3, "{{name}}"),
            ("smtp-listener 192.0.2.1:__PORT__\n", 0, "__PORT__"),
            ("http-mgmt-port __PORT__\n", 0, "__PORT__"),
            (VMTA.format("v1", "%IP%", "%HOST%", "a.example"), 0, "%IP%"),
            (VMTA.format("v1", "${IP}", "${HOST}", "a.example"), 0, "${IP}"),
            (VMTA.format("v1", "<IP>", "<HOSTNAME>", "a.example"), 0, "<IP>"),
            (VMTA.format("v1", "x.x.x.x", "mail.example.com", "a.example"), 0, "x.x.x.x"),
            (VMTA.format("v1", "YOUR_IP", "mail.example.com", "a.example"), 0, "YOUR_IP"),
            ("{% for ip in ips %}\n" + VMTA.format("v{{ n }}", "{{ ip }}", "m{{ n }}.example.com", "*") + "{% endfor %}\n", 4, "{% for ip in ips %}"),
            ("<% ips.each do |ip| %>\n<domain *>\n  max-smtp-out 2\n</domain>\n<% end %>\n", 2, "<% ips.each do |ip| %>"),
        ],
    )  # fmt: skip
    def test_a_template_is_one_finding(self, text: str, lines: int, shown: str) -> None:
        (one,) = [one for one in found(text) if one.severity is not Severity.INFO]
        assert (one.code, one.severity, one.line) == ("PM113", "error", 1 + text.splitlines().index(
            next(line for line in text.splitlines() if shown in line)
        ))  # fmt: skip
        assert shown[:27] in one.message
        if lines:
            assert one.message.startswith(f"{lines} lines have")

    def test_other_lines_are_judged_all_the_same(self) -> None:
        text = (
            VMTA.format("v1", "{{ip}}", "{{host}}", "a.example")
            + "<domain *>\n  max-smtp-outs 2\n</domain>\n"
        )
        assert errors(text) == ["2 PM113", "6 PM201"]

    def test_lines_left_out_are_an_error_where_the_rest_is_there(self) -> None:
        text = "<domain *>\n  ...\n</domain>\n<domain b.example>\n  ...settings...\n</domain>\n"
        assert [(one.code, one.severity) for one in found(text)] == [("PM113", "warning")]
        assert errors(MAIN + text) == [f"{MAIN.count(chr(10)) + 2} PM113"]

    @pytest.mark.parametrize(
        "text",
        [
            "domain-key {selector},{domain},{vault}:/v1/${selector}-${domain}:dk\n",
            "<source {auth}>\n  smtp-service yes\n</source>\n",
            "<smtp-pattern-list r>\n  reply /100% of .{2,3} x{{1}/ skip-mx\n</smtp-pattern-list>\n",
            "<domain $big>\n</domain>\ndomain-macro big a.example\n",
            "<virtual-mta a__b>\n  smtp-source-host 192.0.2.1 xx.xx.example\n</virtual-mta>\n",
            "# {{ip}} comes from the inventory\npostmaster a@example.com\n",
            "<domain *>\n  dkim-identity @EXAMPLE.COM\n</domain>\n",
        ],
    )
    def test_what_looks_like_one_is_none(self, text: str) -> None:
        assert "PM113" not in {one.code for one in found(text)}


def remedy(tag: str, line: str) -> str:
    opening = f"<{tag}>\n" if tag else ""
    closing = f"</{tag.split()[0]}>\n" if tag else ""
    (one,) = [one for one in found(f"{opening}{line}\n{closing}") if one.code in ("PM201", "PM301")]
    return f"{one.message} / {one.remedy}"


class TestSuggestions:
    @pytest.mark.parametrize(
        ("tag", "line", "said"),
        [
            ("virtual-mta v", "helo-domain m.example", "smtp-source-host IP HOST"),
            ("virtual-mta v", "ehlo-name m.example", "smtp-source-host IP HOST"),
            ("virtual-mta v", "ip 192.0.2.1", "smtp-source-host IP HOST"),
            ("domain *", "max-connections 10", "max-smtp-out N"),
            ("domain *", "concurrency 10", "max-smtp-out N"),
            ("domain *", "messages-per-hour 10", "max-msg-rate 250/h"),
            ("domain *", "retry-every 10m", "retry-after 10m"),
            ("domain *", "max-smtp-outs 2", "the nearest known one is `max-smtp-out`"),
            ("acct-file /a", "rotate 1d", "move-interval 1h"),
            ("acct-file /a", "log-rotate 1d", "move-interval 1h"),
            ("acct-file /a", "record-field d *", "record-fields TYPE"),
            ("feedback-loop-processor", "forward https://h.example", "`forward-unmatched-to`, `forward-errors-to`"),
            ("bounce-processor", "deliver yes", "deliver-unmatched-email"),
            ("virtual-mta-pool p", "member v", "virtual-mta NAME"),
            ("source 192.0.2.1", "allow-relay yes", "always-allow-relaying yes"),
            ("virtual-mta v", "max-msg-ratee 10/h", "`max-msg-rate` stands in <domain>"),
            ("", "listen 0/0:25", "smtp-listener ADDRESS:PORT"),
        ],
    )  # fmt: skip
    def test_they_fit_the_place(self, tag: str, line: str, said: str) -> None:
        assert said in remedy(tag, line)

    @pytest.mark.parametrize(
        ("tag", "line", "never"),
        [
            ("virtual-mta v", "helo-domain m.example", "relay-domain"),
            ("acct-file /a", "rotating 1d", "the nearest known one is `log-rotate`"),
        ],
    )
    def test_what_may_not_stand_there_is_not_offered(self, tag: str, line: str, never: str) -> None:
        assert never not in remedy(tag, line)

    def test_a_tag_is_compared_with_tags_of_that_place(self) -> None:
        (one,) = [one for one in found("<suppression-list a>\n</suppression-list>\n") if one.code == "PM303"]
        assert "<address-list>" in one.message
        (one,) = [one for one in found("<virtual-mtas a>\n</virtual-mtas>\n") if one.code == "PM303"]
        assert "<virtual-mta>" in one.message

    @pytest.mark.parametrize(
        ("line", "shown"),
        [
            ("c.example,d.example", "c.example,d.example"),
            ("*.c.example", "*.c.example"),
            ("$ab=c1/d+e", "$..."),
            ("aGVsbG8=", "a..."),
        ],
    )
    def test_the_name_is_told_unless_it_may_be_a_secret(self, line: str, shown: str) -> None:
        text = f"<domain *>\n  {line}\n</domain>\n"
        assert any(f"`{shown}`" in one.message for one in found(text) if one.code == "PM201")


class TestOneCause:
    def test_what_is_not_recorded_is_one_finding(self) -> None:
        text = MAIN[: MAIN.index("<acct-file")]
        (one,) = [one for one in found(text) if one.code == "PM803"]
        assert all(kind in one.message for kind in ("(d)", "(b)", "(t)", "(f)"))

    def test_the_same_trouble_of_many_is_one_cause_with_a_count(self) -> None:
        text = "".join(VMTA.format(f"v{n}", f"192.0.2.{n}", f"m{n}.example", "*") for n in range(1, 41))
        groups = {alike[0].code: len(alike) for alike in grouped(found(text))}
        assert groups["PM316"] == groups["PM701"] == 40
        assert len(groups) == len(grouped(found(text)))

    def test_unlike_ones_stay_apart(self) -> None:
        text = "<domain *>\n  foo-one 1\n  bar-two 2\n</domain>\n"
        assert len(grouped(found(text))) == 2


class TestClosingTags:
    @pytest.mark.parametrize(
        ("text", "lines"),
        [
            ("<domain a.example>\n  max-smtp-out 2\n</domain b.example>\n", [3]),
            ("<domain a.example>\n</domain a.example>\n", []),
            ("<domain a.example>\n</domain>\n", []),
            ('<domain "a.example">\n</domain a.example >\n', []),
            ("<spool /var/spool/pmta>\n</spool /var/other>\n", [2]),
            (
                "<bounce-processor>\n  <address-list>\n    domain b.example\n  </address-list x>\n</bounce-processor>\n",
                [4],
            ),
        ],
    )
    def test_another_name_behind_a_closing_tag_is_told_on_its_line(self, text: str, lines: list[int]) -> None:
        assert [one.line for one in found(text) if one.code == "PM114"] == lines

    def test_of_a_lost_closing_tag_both_sides_are_told(self) -> None:
        text = "<domain a.example>\n  max-smtp-out 2\n<domain b.example>\n</domain a.example>\n"
        told = {one.code: one.message for one in found(text)}
        assert told["PM114"] == "`</domain a.example>` closes <domain b.example>"
        assert "PM105" in told
