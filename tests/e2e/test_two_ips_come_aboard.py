"""New IPs by a form, with a real scheduler and triggerer: a plan, a yes, keys on the host, records pasted, DNS seen, servers found."""

import csv
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from email_engine.store.schema import dkim_keys, domains, ips
from tests.e2e.conftest import Everything, eventually, open_questions, respond

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

FORM = {
    "tenant": "aurora", "stream": "newsletter", "range": "198.51.100.201-202", "hostname": "mail{n}.aurora-mail.example",
    "domain": "{prefix}{n}.aurora-mail.example", "prefixes": "news", "vmta": "aurora-{n}", "mx": "mail1.aurora-mail.example",
}  # fmt: skip
NEW = ("198.51.100.201", "198.51.100.202")


def rows(everything: Everything) -> list[Any]:
    with everything.store.session(tenant="*") as conn:
        query = (
            select(ips, domains.c.name)
            .join(domains, domains.c.ip_id == ips.c.id)
            .where(ips.c.address.in_(NEW))
        )
        return list(conn.execute(query.order_by(ips.c.id)))


def test_from_a_form_to_ips_that_stand_by_with_good_dns(everything: Everything) -> None:
    run = everything.api.trigger("fleet_onboard", **FORM, dry_run=False)
    asked = eventually("the question", lambda: open_questions(everything, "fleet_onboard"), 90)[0]
    assert asked["subject"] == "Bring 2 IPs to aurora/newsletter?"
    assert (
        "| 198.51.100.201 | mail51.aurora-mail.example | news51.aurora-mail.example | aurora-51 | mta-2 |"
        in asked["body"]
    )
    before = everything.settings.fleet_file.read_text()
    assert rows(everything) == []
    assert respond(everything, asked, "Bring them aboard") == 200
    folder = everything.settings.fleet_file.parent / "onboarding" / "aurora-newsletter-198.51.100.201"
    eventually("the records", lambda: (folder / "records.txt").exists(), 180)
    assert (folder / "fleet.yaml.before").read_text() == before
    assert [(row.status, row.vmta_name, row.mailwizz_server_id) for row in rows(everything)] == [
        ("standby", "aurora-51", None), ("standby", "aurora-52", None),
    ]  # fmt: skip
    _publish(everything, folder)
    assert everything.wait("fleet_onboard", run)["state"] == "success"
    everything.run("mailwizz_quota_sync")
    assert all(row.mailwizz_server_id for row in rows(everything))


def _publish(everything: Everything, folder: Path) -> None:
    """What the operator does with the papers: paste the zones, make the delivery servers."""
    for file in sorted((folder / "zones").iterdir()):
        everything.lab.knob("publish_zone", text=file.read_text())
    with (folder / "delivery-servers.csv").open(newline="") as opened:
        for row in csv.DictReader(opened):
            vmta = row["additional_header"].removeprefix("x-virtual-mta: ")
            everything.lab.knob(
                "create_server",
                mailwizz=row["mailwizz"],
                hostname="mta-2",
                vmta=vmta,
                daily_quota=1,
                hourly_quota=1,
            )
    with everything.store.session(tenant="*") as conn:
        made = select(dkim_keys.c.domain).where(
            dkim_keys.c.domain.in_(["news51.aurora-mail.example", "news52.aurora-mail.example"])
        )
        assert len(conn.execute(made).all()) == 2
