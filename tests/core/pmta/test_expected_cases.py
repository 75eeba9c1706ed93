"""Configurations that were judged wrongly once, each with what is right."""

from email_engine.pmta.language.assembly import assemble
from email_engine.pmta.language.compare import compare
from email_engine.pmta.lint import LintFinding, Severity, lint
from tests.core.adoption.drafts import adopted, fleet_of

MACRO_BLANKS = """\
# a list of macro parts with blanks behind the commas
domain-macro tld com, de, co.uk
<domain shop.$tld>
  max-smtp-out 5
</domain>
"""
MACRO_BLANKS_OLD = """\
domain-macro g a.example, b.example
<domain $g>
  max-msg-rate 10/h
</domain>
"""
MACRO_BLANKS_NEW = """\
domain-macro g a.example,b.example
<domain $g>
  max-msg-rate 10/h
</domain>
"""
LIST_BLANKS = """\
<domain a.example>
  dkim-headers X-One, /x-two/, X-Three
</domain>
<domain b.example>
  smtp-hosts h1.example.com, h2.example.com; [192.0.2.1]:2525; h3.example.com
</domain>
<source 127.0.0.1>
  remove-header X-One, X-Two
</source>
"""
PIPE_WITH_EQUALS = """\
<acct-file |/usr/local/bin/handler --logfile=/var/log/pmta/handler.log>
  records b
</acct-file>
"""
MACRO_IN_VALUES = """\
domain-macro tld com,de
domain-key s1,shop.$tld,/etc/pmta/s1.pem
<address-list closed>
  domain shop.$tld
</address-list>
"""
ACCT_FIELDS_UNREADABLE = """\
<acct-file /var/log/pmta/bounce.csv>
  records d,b,t
  record-fields d timeQueued,orig,jobId,header_Message-Id
  record-fields b timeQueued,bounceCat,vmta,rcpt,dlvSourceIp,dsnStatus,header_Message-Id
  record-fields t timeLogged,rcpt,dsnStatus,header_Message-Id
</acct-file>
"""
FBL_NEVER_ARRIVES = """\
postmaster a@example.com
log-file /var/log/pmta/log
run-as-root no
<spool /var/spool/pmta>
</spool>
smtp-listener 127.0.0.1:25
<source 127.0.0.1>
    always-allow-relaying yes
    process-x-virtual-mta yes
    default-virtual-mta p
</source>
<virtual-mta v1>
    smtp-source-host 198.51.100.7 mta.example.com
    domain-key s,example.com,/etc/pmta/k.pem
    <domain *>
        dkim-sign yes
    </domain>
</virtual-mta>
<virtual-mta-pool p>
    virtual-mta v1
</virtual-mta-pool>
<acct-file /var/log/pmta/acct.csv>
    records d,b,t,f,rb
    record-fields d *,header_Message-Id
    record-fields b *,header_Message-Id
    record-fields t *,header_Message-Id
    record-fields f *,header_Message-Id
    move-to /var/log/pmta/done
    move-interval 5m
</acct-file>
"""
REPLY_PATTERN_TOO_WIDE = """\
<smtp-pattern-list r>
  reply /^550/ mode=backoff,backoff-to-normal-after=1h
  reply /allowed/ bounce-queue
  reply /[TS03] All messages/ mode=backoff,backoff-to-normal-after=1h
</smtp-pattern-list>
<domain *>
  smtp-pattern-list r
</domain>
"""
WRAPPED_LINES = """\
domain-macro big a.example,b.example,
c.example,d.example
<domain $big>
  max-msg-rate 10/h
</domain>
<bounce-category-patterns>
  /(user|mailbox) (is
  disabled)/ inactive-mailbox
</bounce-category-patterns>
"""
CASE_OLD = """\
Pickup /var/a /var/b
<Domain x.example>
  Max-Msg-Rate 10/h
</Domain>
"""
CASE_NEW = """\
pickup /var/a /var/b
<domain x.example>
  max-msg-rate 10/h
</domain>
"""
IMPORT_SHARED_IP = """\
postmaster a@example.com
log-file /var/log/pmta/log
<spool /var/spool/pmta>
</spool>
smtp-listener 127.0.0.1:25
<source 127.0.0.1>
  always-allow-relaying yes
  process-x-virtual-mta yes
</source>
<virtual-mta hot>
  smtp-source-host 198.51.100.7 mta.example.com
</virtual-mta>
<virtual-mta mta1>
  smtp-source-host 198.51.100.7 mta1.example.com
  domain-key s,*,/etc/pmta/k.pem
</virtual-mta>
<virtual-mta-pool news>
  virtual-mta mta1
</virtual-mta-pool>
"""
NEAREST_NAME = """\
<virtual-mta v1>
  smtp-source-host 192.0.2.5 mta5.example.com
  helo-domain mta5.example.com
  <domain *>
    max-connections 10
  </domain>
</virtual-mta>
<feedback-loop-processor>
  forward https://hooks.example.com/fbl
</feedback-loop-processor>
<acct-file /var/log/pmta/acct.csv>
  records d,b,t,f
  rotate 1d
</acct-file>
"""


def found(text: str, *severities: Severity) -> list[LintFinding]:
    findings = lint(assemble(text, "config"), version="5.0r5")
    return [one for one in findings if not severities or one.severity in severities]


def errors(text: str) -> list[LintFinding]:
    return found(text, Severity.ERROR)


def warned(text: str, code: str) -> list[tuple[int, str]]:
    return [(one.line, one.message) for one in found(text, Severity.WARNING) if one.code == code]


def test_blanks_in_a_macro_are_fine_and_no_difference() -> None:
    assert found(MACRO_BLANKS) == []
    assert compare(assemble(MACRO_BLANKS_OLD), assemble(MACRO_BLANKS_NEW)) == ()


def test_blanks_in_lists_are_fine() -> None:
    assert found(LIST_BLANKS) == []


def test_a_pipe_with_a_sign_in_its_command_is_a_pipe() -> None:
    assert errors(PIPE_WITH_EQUALS) == []
    assert "PM810" in {one.code for one in found(PIPE_WITH_EQUALS)}


def test_macros_stand_in_values() -> None:
    assert found(MACRO_IN_VALUES, Severity.ERROR, Severity.WARNING) == []


def test_columns_that_ingest_needs_are_missed() -> None:
    assert warned(ACCT_FIELDS_UNREADABLE, "PM811") == [
        (3, "records of d have no timeLogged, no rcpt, neither dlvSourceIp nor vmta"),
        (4, "records of b have no timeLogged"),
        (5, "records of t have neither dlvSourceIp nor vmta"),
    ]


def test_reports_that_never_come_are_told() -> None:
    assert warned(FBL_NEVER_ARRIVES, "PM812") == [
        (23, "`records f`, but no <feedback-loop-processor>"),
        (23, "`records rb`, but no <bounce-processor>"),
    ]
    assert errors(FBL_NEVER_ARRIVES) == []


def test_replies_that_mean_too_much_or_nothing_are_told() -> None:
    first, second = warned(REPLY_PATTERN_TOO_WIDE, "PM230")
    assert (first[0], second[0]) == (2, 3)
    assert "550 5.1.1 user unknown" in first[1]
    assert "not allowed" in second[1]
    ((line, message),) = warned(REPLY_PATTERN_TOO_WIDE, "PM231")
    assert (line, "one of T, S, 0, 3" in message) == (4, True)


def test_a_broken_line_is_one_error() -> None:
    said = "this line continues the one above; a directive is one line"
    assert [(one.line, one.message) for one in errors(WRAPPED_LINES)] == [(2, said), (8, said)]


def test_upper_case_is_a_warning_and_no_difference() -> None:
    assert {one.code for one in found(CASE_OLD)} == {"PM208"}
    assert errors(CASE_OLD) == []
    assert compare(assemble(CASE_OLD), assemble(CASE_NEW)) == ()


def test_of_two_with_one_ip_the_pool_s_member_is_imported() -> None:
    result = adopted(IMPORT_SHARED_IP)
    (ip,) = fleet_of(result.fleet).ips
    assert (ip.vmta, ip.initial_state, ip.dkim_selector) == ("mta1", "active", "s")
    assert [gap.text for gap in result.gaps] == ["hot: 198.51.100.7"]


def test_a_name_is_answered_by_what_may_stand_there() -> None:
    told = {one.line: f"{one.message} {one.remedy}" for one in errors(NEAREST_NAME)}
    assert set(told) == {3, 5, 9, 13}
    for line, wanted in (
        (3, ("smtp-source-host", "second word")),
        (5, ("max-smtp-out",)),
        (9, ("forward-unmatched-to", "forward-errors-to")),
        (13, ("max-size", "move-interval")),
    ):
        assert all(word in told[line] for word in wanted)
    assert not any(
        word in " ".join(told.values()) for word in ("relay-domain", "log-connections", "log-rotate")
    )
