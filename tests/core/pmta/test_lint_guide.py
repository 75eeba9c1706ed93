"""What the vendor's guide writes is no error: one small case of each kind (section numbers of the 5.0 guide)."""

import pytest

from email_engine.pmta.language.assembly import assemble
from email_engine.pmta.language.compare import compare
from email_engine.pmta.lint import LintFinding, Severity, lint

TLD = "domain-macro tld com, de, co.uk\n"
WRITTEN = {
    "3.3.1.42.2 blanks in a macro": TLD + "relay-domain shop.$tld\n",
    "3.3.1.43.4 macro of macros": TLD + "domain-macro all $tld, org\n<domain shop.$all>\n  max-smtp-out 5\n</domain>\n",
    "3.3.1.43.1 macro in a key": TLD + "domain-key s1,shop.$tld,/etc/pmta/s1.pem\n",
    "3.3.1.43.1 two macros in a key": TLD
    + "domain-macro shop a, b\n<virtual-mta v>\n  smtp-source-host 192.0.2.1 m.example.com\n"
    + "  domain-key s1,$shop.$tld,/etc/pmta/s1.pem\n</virtual-mta>\n",
    "3.3.1.43.1 template of the vault": "domain-key {selector}, {domain}, {vault}:/v1/keys/${selector}-${domain}:dk\n",
    "3.3.5.3 macro in an address list": TLD + "<address-list closed>\n  domain shop.$tld\n</address-list>\n",
    "3.1 international domain": "<domain bücher.example>\n  max-smtp-out 5\n</domain>\n",
    "3.1 international address": "postmaster post@bücher.example\n",
    "3.3.10.27 names": "<domain a.example>\n  dkim-headers one, two\n</domain>\n",
    "3.3.10.27 names and expressions": "<domain a.example>\n  dkim-headers one, /two/\n</domain>\n",
    "3.3.10.90 hosts": "<domain a.example>\n  smtp-hosts h1.example, h2.example; [192.0.2.1]:2525; h3.example\n</domain>\n",
    "remove-header with blanks": "<source 127.0.0.1>\n  remove-header X-One, X-Two\n</source>\n",
    "3.3.14.4 call-to": "<pattern-list a>\n  mail-from /x/ recipient-priority=5\n</pattern-list>\n"
    "<pattern-list b>\n  header x-list /y/ call-to: a\n</pattern-list>\n",
    "pattern actions": "<pattern-list a>\n  mail-from /x/ recipient-priority=5, recipient-priority=6\n</pattern-list>\n",
    "3.3.19 name in the closing tag": "<domain-key-list k>\n  domain-key m,a.example,/m.pem\n</domain-key-list k>\n",
    "3.3.11 pipe with =": "<acct-file |/usr/local/bin/handler --logfile=/var/log/pmta/handler.log>\n  records b\n</acct-file>\n",
    'pipe with quotes': '<acct-file |/usr/local/bin/handler --log="/var/log/h.log" --all>\n  records b\n</acct-file>\n',
    "3.3.1.27 PowerMTA's own places": 'dsn-failed-subject-template "Failed: ${subject}"\n',
    "12.7.1 fbl (r1)": "<acct-file /var/log/pmta/fbl.csv>\n  records f\n  record-fields f *\n  map-header-to-field fbl header_X-R rcpt\n"
    "</acct-file>\n",
    "3.3.10.50 lines left out": "<virtual-mta v>\n  ...\n</virtual-mta>\n<virtual-mta-pool p>\n  ...\n</virtual-mta-pool>\n",
    "3.3.2 spool alone": "<spool /var/spool/pmta>\n  priority 50\n</spool>\n",
    "3.3.1.47.2 log-file alone": "log-file /var/log/pmta/pmta.log\n",
    "3.3.1.46.3 monitor for tests": "http-access 0/0 monitor\n",
    "3.3.5 named list in a processor (r1)": "<bounce-processor>\n  <address-list a>\n    domain b.example\n  </address-list>\n"
    "</bounce-processor>\n",
}  # fmt: skip


def found(text: str, version: str = "5.0r5") -> list[LintFinding]:
    return list(lint(assemble(text, "config"), version=version))


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_what_the_guide_writes_is_no_error(text: str) -> None:
    assert [one for one in found(text) if one.severity is Severity.ERROR] == []


@pytest.mark.parametrize(
    "name", [name for name in WRITTEN if not any(word in name for word in ("tests", "named", "left out"))]
)
def test_nor_does_it_say_anything_about_values(name: str) -> None:
    assert [one for one in found(WRITTEN[name]) if one.code.startswith(("PM1", "PM2", "PM3", "PM408"))] in ([], [
        one for one in found(WRITTEN[name]) if one.code == "PM316"
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<domain *>\n  retry-after 10m, 20m\n</domain>\n", "PM218"),
        ("domain-macro tld com de\n", "PM212"),
        ("domain-macro tld com,, de\n", "PM217"),
        ("domain-key s1,shop.tld$,/etc/pmta/s1.pem\n", "PM217"),
        ("<address-list a>\n  domain shop,$tld\n</address-list>\n", "PM217"),
        ("<domain bü cher.example>\n</domain>\n", "PM304"),
        (f"<domain {'ü' * 64}.example>\n</domain>\n", "PM305"),
        ("<acct-file /var/log/a.csv b=c>\n</acct-file>\n", "PM107"),
        ("http-access 0/0 operator\n", "PM603"),
        ("<smtp-listener 192.0.2.1:25>\n  tls-allow-sslv3 no\n</smtp-listener>\n", "PM903"),
    ],
)
def test_what_looks_like_it_still_is(text: str, code: str) -> None:
    assert code in {one.code for one in found(text) if one.severity is Severity.ERROR}


def test_a_macro_in_a_value_must_exist() -> None:
    for line in ("relay-domain shop.$tdl", "domain-key s,shop.$tdl,/k.pem"):
        assert [one.code for one in found(f"{line}\n") if one.code == "PM408"] == ["PM408"]
    assert "PM408" in {one.code for one in found("<address-list a>\n  domain b.$tdl\n</address-list>\n")}


def test_what_a_later_release_removed_is_an_error_there_alone() -> None:
    text = "<domain *>\n  smtp-tls-allow-sslv3 no\n</domain>\n"
    said = {version: found(text, version)[0].severity for version in ("4.5", "5.0", "5.0r1", "5.0r5", "5.5")}
    assert said == {"4.5": "warning", "5.0": "warning", "5.0r1": "warning", "5.0r5": "error", "5.5": "error"}


def changes(old: str, new: str) -> list[str]:
    return [str(one) for one in compare(assemble(old), assemble(new))]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("domain-macro g a.example, b.example\n<domain $g>\n  max-msg-rate 10/h\n</domain>\n",
         "domain-macro g a.example,b.example\n<domain $g>\n  max-msg-rate 10/h\n</domain>\n"),
        ("<source 127.0.0.1>\n  remove-header X-One, X-Two\n</source>\n",
         "<source 127.0.0.1>\n  remove-header X-One,X-Two\n</source>\n"),
        ("<domain bücher.example>\n  max-smtp-out 5\n</domain>\n",
         "<domain xn--bcher-kva.example>\n  max-smtp-out 5\n</domain>\n"),
        ("domain-macro tld com,de\nrelay-domain a.$tld\n", "relay-domain a.com\nrelay-domain a.de\n"),
        ("domain-macro Tld com\ndomain-macro all $Tld,org\n<domain a.$all>\n  max-smtp-out 5\n</domain>\n",
         "<domain a.com>\n  max-smtp-out 5\n</domain>\n<domain a.org>\n  max-smtp-out 5\n</domain>\n"),
        ("<Domain x.example>\n  Max-Msg-Rate 10/H\n</Domain>\nPickup /a /b\n",
         "<domain x.example>\n  max-msg-rate 10/h\n</domain>\npickup /a /b\n"),
        ("<domain-key-list k>\n  domain-key m,a.example,/m.pem\n</domain-key-list k>\n",
         "<domain-key-list k>\n  domain-key m, a.example, /m.pem\n</domain-key-list>\n"),
    ],
    ids=["macro", "list", "international", "macro in a value", "macro of macros", "case", "closing tag"],
)  # fmt: skip
def test_spelling_is_no_difference(old: str, new: str) -> None:
    assert changes(old, new) == []


def test_another_meaning_of_a_macro_is_one() -> None:
    text = "domain-macro tld {}\ndomain-key s1,shop.$tld,/k.pem\n"
    assert changes(text.format("com"), text.format("com,de")) != []
