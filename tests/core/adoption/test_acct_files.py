"""Where accounting lies and what it lacks, by a configuration."""

import pytest

from email_engine.adoption.acct_files import accounting_folder, acct_findings, read_acct_files
from email_engine.pmta.language.assembly import assemble

IDS = "".join(f"record-fields {kind} *,header_Message-Id\n" for kind in "dbtf")


def found(*blocks: str) -> tuple[str | None, list[str]]:
    text = "".join(f"<acct-file {block}</acct-file>\n" for block in blocks)
    files = read_acct_files(assemble(text, "config"))
    return accounting_folder(files), [str(one) for one in acct_findings("mta-1", files)]


def test_all_is_well() -> None:
    assert found(f"/var/log/pmta/a.csv>\nrecords d,b,t,f\n{IDS}move-to /data/pmta/done\n") == (
        "/data/pmta/done",
        [],
    )


@pytest.mark.parametrize(
    ("blocks", "folder", "said"),
    [
        ((), None, "records deliveries and bounces"),
        (("|/bin/x>\nrecords d,b,t,f\n",), None, "records deliveries and bounces"),
        (("/var/log/pmta/a.csv>\nmove-to /d/done\n",), "/d/done", "no <acct-file> records deferrals (t) or complaints (f)"),
        (("/var/log/pmta/a.csv>\nrecords d,b\nmove-to /d/done\n",), "/d/done", "its records of d, b carry no header_Message-Id"),
        ((f"/var/log/pmta/a.csv>\nrecords delivery,bounce,transient,f\n{IDS}",), "/var/log/pmta", "has no move-to"),
        ((f"/var/log/pmta/a.csv>\nrecords d,b,t\n{IDS}move-to /d/one\n", f"/var/log/pmta/f.csv>\nrecords f\n{IDS}move-to /d/two\n"), "/d/one", "2 folders"),
        (("/etc/a.csv>\nrecords d,b,t,f\n" + IDS,), None, ""),
    ],
    ids=["none", "a pipe", "default records", "no ids", "not moved", "two folders", "a folder of the system"],
)  # fmt: skip
def test_what_it_lacks_is_told_with_the_directive(
    blocks: tuple[str, ...], folder: str | None, said: str
) -> None:
    seen, findings = found(*blocks)
    assert seen == folder
    assert said in " ".join(findings)
    assert all(". Next: " in one for one in findings)
