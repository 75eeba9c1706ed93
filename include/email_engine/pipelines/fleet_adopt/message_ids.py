"""Does accounting tell which mail a bounce is about, in a way that MailWizz understands?"""

from collections.abc import Callable, Iterator, Sequence

from email_engine.adoption.findings import AdoptionFinding, Topic
from email_engine.mailer.unreadable import Unreadable
from email_engine.pipelines.fleet_adopt.files import FilesRead

Ask = Callable[[str, Sequence[str]], dict[str, int | None] | Unreadable]
"""Instance and ids to those that its delivery log has."""
KNOWN_RATE = 0.5
"""Of the sample: some mail is no campaign's."""
DIRECTIVES = "`record-fields d *,header_Message-Id` (also for b, t and f)"


def message_id_findings(
    host: str, files: FilesRead, instances: Sequence[str], ask: Ask
) -> Iterator[AdoptionFinding]:
    """At most one of each kind; ids themselves are never told."""
    seen = files.ids
    if seen is None:
        return
    subject = f"host {host}"
    if not seen.column or not seen.with_id:
        told = (
            "its accounting has no column header_Message-Id"
            if not seen.column
            else "its accounting leaves header_Message-Id empty"
        )
        step = f"add {DIRECTIVES} to its <acct-file>, and `pmta reload`: without it bounces and complaints do not reach MailWizz"
        yield AdoptionFinding(Topic.MESSAGE_ID, subject, told, step)
        return
    if seen.with_id < seen.deliveries:
        told = (
            f"{seen.deliveries - seen.with_id} of its newest {seen.deliveries} deliveries carry no Message-Id"
        )
        yield AdoptionFinding(
            Topic.MESSAGE_ID, subject, told, "see which mail that is: MailWizz always sets one"
        )
    if not instances:
        return
    ids = [one.message_id for one in seen.sample]
    found: dict[str, int | None] = {}
    reasons = []
    for name in instances:
        answer = ask(name, [one for one in ids if one not in found])
        if isinstance(answer, Unreadable):
            reasons.append(f"{name}: {answer.told}")
        else:
            found |= answer
    if len(found) >= KNOWN_RATE * len(ids):
        return
    if reasons:
        told = f"whether MailWizz knows its Message-Ids could not be looked up ({'; '.join(reasons)})"
        step = "grant SELECT (email_message_id, server_id) on campaign_delivery_log: `email-engine mailwizz grants` prints the statement"
    else:
        told = f"{len(found)} of the newest {len(ids)} Message-Ids stand in MailWizz's delivery log or its archive"
        step = "is another program's mail sent there, or another MailWizz than the one that was named? Bounces of unknown mail reach nobody"
    yield AdoptionFinding(Topic.MESSAGE_ID, subject, told, step)
