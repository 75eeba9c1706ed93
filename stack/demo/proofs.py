"""What the demo claims, checked against what really happened; a claim that does not hold fails the demo."""

from stack.demo import scenario
from stack.demo.chronicle import Chronicle
from stack.demo.story import Story
from stack.lab_client import LabClient

Proof = tuple[str, bool, str]
"""Claim, whether it held, what was seen."""


def prove(chronicle: Chronicle, story: Story, lab: LabClient, broken_domain: str) -> list[Proof]:
    return [
        _warmed(chronicle),
        _listed(story),
        _bad_traffic(chronicle),
        _dns(chronicle, broken_domain),
        *_refused(chronicle, story),
        _caps(lab),
        _told(lab),
        _nothing_else_failed(story),
    ]


def _warmed(chronicle: Chronicle) -> Proof:
    warming = chronicle.initially("warming")
    curves = chronicle.curves()
    grown = [
        v for v in warming if curves.get(v) and max(allowed for allowed, _ in curves[v].values()) >= 2000
    ]
    warm = chronicle.graduated()
    return (
        "healthy IPs climb from 50 to 2,000 a day in six weeks and graduate",
        len(grown) >= len(warming) - 4 and warm >= len(warming) // 2,
        f"of {len(warming)} IPs {len(grown)} reached 2,000 a day and {warm} graduated",
    )


def _listed(story: Story) -> Proof:
    address = scenario.LISTED
    quarantined = [e for e in story.log if "-> quarantine" in e.what and "aurora-7 " in e.what]
    if not quarantined:
        return f"{address} goes to quarantine when it is listed", False, "no such event"
    moment = quarantined[0].at
    last = story.chronicle.last_sent(address)
    silent = last is not None and last <= moment
    return (
        f"{address} is quarantined when listed and sends nothing afterwards",
        silent,
        f"quarantined {moment:%Y-%m-%d %H:%M}, last accounting hour {last:%Y-%m-%d %H:%M}"
        if last
        else "never sent",
    )


def _bad_traffic(chronicle: Chronicle) -> Proof:
    paused = chronicle.decisions_of(scenario.BAD_TRAFFIC, "pause")
    return f"{scenario.BAD_TRAFFIC} is paused for its bounces", paused > 0, f"{paused} pause decisions"


def _dns(chronicle: Chronicle, domain: str) -> Proof:
    found = chronicle.broken_dns(domain)
    return f"the missing DKIM record of {domain} is found", found > 0, f"{found} findings"


def _refused(chronicle: Chronicle, story: Story) -> tuple[Proof, Proof]:
    by_status = chronicle.deployments_by_status()
    refused = by_status.get("failed", 0) + by_status.get("rolled_back", 0)
    last = chronicle.last_deployment(scenario.REFUSING_HOST)
    return (
        (
            "a deployment that `pmta test config` refuses is undone",
            refused > 0,
            f"deployments by result: {by_status}",
        ),
        ("the next deployment heals it", refused > 0 and last == "verified", f"the last one there is {last}"),
    )


def _caps(lab: LabClient) -> Proof:
    states = lab.state()["powermta"]
    capped = [v for host in states.values() for v in host["vmtas"].values() if v.get("max_smtp_msg_rate")]
    return (
        "PowerMTA runs caps for every virtual MTA",
        len(capped) >= 100,
        f"{len(capped)} virtual MTAs with a cap",
    )


def _told(lab: LabClient) -> Proof:
    messages = lab.get("/telegram/messages")
    number = len(messages["messages"] if isinstance(messages, dict) else messages)
    return "people were told by Telegram", number > 0, f"{number} messages"


def _nothing_else_failed(story: Story) -> Proof:
    others = sorted({run.dag for _, run in story.failures if run.dag != "pmta_config_deploy"})
    return "no other pipeline failed", not others, ", ".join(others) or "none"
