"""Whose mail it was: from a row of the engine to the subscribers of MailWizz."""

from contextlib import suppress
from dataclasses import dataclass, field, replace

import idna

from email_engine.accounting.sealing import Sealer
from email_engine.adapters.mailwizz_people import Entry, MailwizzPeople
from email_engine.store.suppression.counted import OpenRow
from email_engine.suppression.reasons import Reason
from email_engine.suppression.telling import NO_MAIL, Subscriber


@dataclass(frozen=True, slots=True)
class Recipient:
    """`first`: the subscriber that the campaign wrote to; `campaign_uid`: '' where nobody knows it; `address`: None where it is
    neither kept nor shown; `in_log`: MailWizz's delivery log knows the Message-Id."""

    row: OpenRow
    campaign_uid: str
    list_uid: str
    uid: str
    in_log: bool
    address: str | None = field(repr=False)

    @property
    def key(self) -> tuple[str, str]:
        return self.list_uid, self.uid

    @property
    def person(self) -> str | tuple[str, str]:
        """The same for every list that the person is in, where the address is known."""
        return self.address.lower() if self.address else self.key

    def elsewhere(self, entry: Subscriber) -> "Recipient":
        """The same person by another entry, where the one that the campaign wrote to is gone or has another address: without the
        campaign, on which the bounce would meet the address of now."""
        return replace(self, campaign_uid="", list_uid=entry.list_uid, uid=entry.uid, in_log=False)


def campaign_uids(job: str) -> tuple[str, ...]:
    """What a job may call: `[CAMPAIGN_UID]`, or that with a word before it, as some bounce handlers want it."""
    return tuple(dict.fromkeys((job, job.rpartition("-")[2])))


def find(people: MailwizzPeople, row: OpenRow, sealer: Sealer | None) -> Recipient | None:
    """By what an earlier run found, else by the delivery log, else (archived, or before MailWizz 2.1.0) by the campaign and the address.
    None: mail of no campaign that MailWizz shows, and what came through another instance of the tenant's: `by_address` may know more."""
    address = sealer.opened(row.sealed) if sealer else None
    if row.list_uid and row.subscriber_uid:
        return Recipient(row, row.campaign_uid or "", row.list_uid, row.subscriber_uid, False, address)
    if row.copied:
        return None
    sent = people.delivery(row.message_id)
    if sent is not None:
        # a report hides its reader's address, or names the one that the mail was forwarded to: they got it all the same
        named = sent.email or address if row.reason is Reason.COMPLAINT else address or sent.email
        return Recipient(row, sent.campaign_uid, sent.list_uid, sent.subscriber_uid, True, named or None)
    if not row.campaign or address is None:
        return None
    for campaign in campaign_uids(row.campaign):
        list_uid = people.list_of(campaign)
        entry = people.in_list(list_uid, address) if list_uid else None
        if list_uid and entry:
            return Recipient(row, campaign, list_uid, entry.uid, False, address)
    return None


def by_address(people: MailwizzPeople, row: OpenRow, sealer: Sealer | None) -> Recipient | None:
    """By the address alone, in whatever list it is: without a campaign, as what comes from another instance, or where the delivery log
    is archived and the mail named none. None: nobody whom MailWizz knows."""
    address = sealer.opened(row.sealed) if sealer else None
    known = people.everywhere(address) if address else ()
    return Recipient(row, "", known[0].list_uid, known[0].uid, False, address) if known else None


def same_person(entry: Entry, recipient: Recipient) -> bool:
    """False where the subscriber's address was corrected since the mail went out: the new one did not bounce."""
    return not (entry.email and recipient.address) or _plain(entry.email) == _plain(recipient.address)


def _plain(address: str) -> str:
    """Lower case, the domain in ASCII: a bounce names it as the mail's envelope did, MailWizz as people typed it."""
    local, _, domain = address.strip().lower().rpartition("@")
    with suppress(idna.IDNAError):
        domain = idna.encode(domain, uts46=True).decode()
    return f"{local}@{domain}"


def read(people: MailwizzPeople, recipient: Recipient) -> tuple[Subscriber, ...]:
    """The recipient as MailWizz has it now: under its address in every list, and in the campaign's own list, which may be archived; not
    where that entry has another address by now."""
    others = people.everywhere(recipient.address) if recipient.address else ()
    found = {(one.list_uid, one.uid): Subscriber(one.list_uid, one.uid, one.status) for one in others}
    if recipient.key not in found:
        first = people.entry(recipient.list_uid, recipient.uid)
        if first is not None and same_person(first, recipient):
            found[recipient.key] = Subscriber(first.list_uid, first.uid, first.status)
    return tuple(found.values())


def first_of(recipient: Recipient, entries: tuple[Subscriber, ...]) -> Subscriber | None:
    """The entry of the campaign's list, if it still takes mail."""
    return next(
        (e for e in entries if (e.list_uid, e.uid) == recipient.key and e.status not in NO_MAIL), None
    )


def read_back(
    people: MailwizzPeople, recipient: Recipient, before: tuple[Subscriber, ...]
) -> tuple[Subscriber, ...]:
    """As `read`, for what was read `before`: an entry that does not show any more is asked for by its uid, so that nothing but
    MailWizz's own word that it has no such subscriber makes it gone."""
    after = read(people, recipient)
    shown = {(one.list_uid, one.uid) for one in after}
    for one in before:
        if (one.list_uid, one.uid) not in shown and (one.list_uid, one.uid) != recipient.key:
            entry = people.entry(one.list_uid, one.uid)
            if entry is not None and same_person(entry, recipient):
                after = (*after, Subscriber(entry.list_uid, entry.uid, entry.status))
    return after
