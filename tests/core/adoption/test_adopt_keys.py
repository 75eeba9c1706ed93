"""One DKIM key that several tenants' mail is signed with: the first keeps it, the others need keys of their own."""

from email_engine.adoption.adopt import Wishes, adopt
from email_engine.pmta.language.assembly import assemble

CONFIGURATION = """\
domain-key s1,*,/etc/pmta/shared.pem
<virtual-mta a-1>
    smtp-source-host 192.0.2.1 mail1.aurora.example
</virtual-mta>
<virtual-mta a-2>
    smtp-source-host 192.0.2.2 mail2.aurora.example
</virtual-mta>
<virtual-mta b-1>
    smtp-source-host 192.0.2.3 mail3.borealis.example
</virtual-mta>
"""


def draft(**owners: str) -> str:
    named = {name.replace("_", "-"): tenant for name, tenant in owners.items()}
    return adopt(assemble(CONFIGURATION, "config"), Wishes(120, owners=named, ranges=False)).fleet


def test_the_first_tenant_keeps_the_key_and_the_other_has_a_blank_and_a_note() -> None:
    text = draft(a_1="aurora", a_2="aurora", b_1="borealis")
    assert text.count("key_path: /etc/pmta/shared.pem") == 2
    assert "a private DKIM key of the tenant's own; today's /etc/pmta/shared.pem is another tenant's" in text
    note = "the DKIM key /etc/pmta/shared.pem signs for aurora and borealis: borealis needs keys of its own"
    assert " ".join(text.replace("\n#", " ").split()).count(note) == 1


def test_one_tenants_ips_share_it() -> None:
    text = draft(a_1="aurora", a_2="aurora", b_1="aurora")
    assert text.count("key_path: /etc/pmta/shared.pem") == 3
    assert "another tenant's" not in text
