"""MailWizz is told, read back, told otherwise where that did not help, and counted: row by row, each exactly once."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import TypeVar

from email_engine.accounting.sealing import Sealer
from email_engine.adapters.mailwizz_people import MailwizzPeople
from email_engine.errors import AccessDenied, EngineError, Unreachable
from email_engine.fleet.model import MailwizzInstance
from email_engine.pipelines.run import Run
from email_engine.pipelines.suppression_sync.lookup import Recipient, find, first_of, read, read_back
from email_engine.store.engine import Store
from email_engine.store.suppression import counted
from email_engine.store.suppression.counted import Intent, OpenRow
from email_engine.suppression.judgement import State
from email_engine.suppression.policy import SuppressionPolicy
from email_engine.suppression.reasons import Reason
from email_engine.suppression.telling import TEXTS, WANTED, Subscriber, Way, result_of

log = logging.getLogger(__name__)
Done = TypeVar("Done")
NO_RECIPIENT = "MailWizz has no such recipient of a campaign"
IN_VAIN = 3
"""So many recipients one after the other fail: then it is MailWizz, not they."""


@dataclass(slots=True)
class Carrier:
    """Works on one instance until nothing is open or its time is up. `unseen`: why a campaign is not to be seen though MailWizz has it,
    '' where it has none. `clock`: seconds, monotonic."""

    store: Store
    people: MailwizzPeople
    instance: MailwizzInstance
    run: Run
    policy: SuppressionPolicy
    sealer: Sealer | None
    unseen: Callable[[str | None], str] = field(default=lambda campaign: "")
    clock: Callable[[], float] = field(default_factory=lambda: monotonic)
    webhook: bool = True
    troubled: dict[int, tuple[OpenRow, EngineError]] = field(default_factory=dict)
    in_vain: int = 0
    answered: bool = False

    def carry(self) -> None:
        """Raises EngineError where MailWizz is away or refuses the key; what was counted stays counted."""
        until = self.clock() + self.policy.minutes * 60
        self.webhook = self.policy.webhook
        while self.clock() < until:
            with self.store.session(tenant=self.instance.tenant) as conn:
                rows = counted.open_rows(conn, self.instance.name, self.policy.batch, self.troubled)
            if not rows:
                break
            self._batch(rows, until)
        else:
            log.warning("%s: the time is up; the next run goes on", self.instance.name)
        for _, error in self.troubled.values():
            if not self.answered:
                raise error
        self._note_troubles()

    def _batch(self, rows: Sequence[OpenRow], until: float) -> None:
        to_tell: dict[str | tuple[str, str], tuple[Recipient, tuple[Subscriber, ...]]] = {}
        half = self.clock() + (until - self.clock()) / 2
        for row in rows:
            if self.clock() >= half:
                break  # over a slow link the other half of the time is for telling
            looked = self._guarded(row, partial(self._look, row))
            # of one person's rows, through whatever list, the second finds what the first did
            if looked is not None:
                to_tell.setdefault(looked[0].person, looked)
        with self.store.session(tenant=self.instance.tenant) as conn:
            intents = [
                Intent(r.row.row_id, r.campaign_uid or None, r.list_uid, r.uid) for r, _ in to_tell.values()
            ]
            counted.note_intents(conn, intents, datetime.now(UTC))
        told = self._tell_webhook([recipient for recipient, _ in to_tell.values()])
        took = 0
        for recipient, before in to_tell.values():
            if self.clock() >= until:
                return
            done = self._guarded(
                recipient.row, partial(self._tell, recipient, before, webhook=recipient.key in told)
            )
            took += done is Way.WEBHOOK
        if told and not took:
            log.warning("%s: its webhook answered and did nothing; the API alone is used", self.instance.name)
            self.webhook = False

    def _look(self, row: OpenRow) -> tuple[Recipient, tuple[Subscriber, ...]] | None:
        """Counts what needs no word to MailWizz; else who it is, and how MailWizz has it."""
        recipient = find(self.people, row, self.sealer)
        before = read(self.people, recipient) if recipient else ()
        hidden = self.unseen(row.campaign) if recipient is None and not row.copied else ""
        if hidden:
            self._count(row, State.FINDING, None, hidden, None)
            return None
        if recipient is None or not any(one.takes_mail for one in before):
            state = result_of(before, before, told=row.told)
            nobody = "this MailWizz does not know the address" if row.copied else NO_RECIPIENT
            why = "" if before else nobody
            self._count(row, state, None, why, recipient)
            return None
        return recipient, before

    def _tell_webhook(self, recipients: Sequence[Recipient]) -> frozenset[tuple[str, str]]:
        """All of them in one request; complaints never, since MailWizz may be set to delete whom they come from."""
        fit = [r for r in recipients if r.in_log and r.row.reason is not Reason.COMPLAINT]
        if not (self.webhook and fit):
            return frozenset()
        try:
            if self.people.tell_webhook([r.row.message_id for r in fit], TEXTS[Reason.HARD]):
                return frozenset(r.key for r in fit)
        except EngineError as error:
            log.warning("%s", error)
        self.webhook = False
        return frozenset()

    def _tell(self, recipient: Recipient, before: tuple[Subscriber, ...], *, webhook: bool) -> Way | None:
        """The ladder: webhook, the campaign's feedback, the status itself; each only where the one before did not take."""
        row, way, after = recipient.row, None, before
        if webhook:
            way, after = Way.WEBHOOK, read_back(self.people, recipient, before)
        if first_of(recipient, after) is not None and recipient.campaign_uid:
            self._feed_back(recipient)
            way, after = Way.FEEDBACK, read_back(self.people, recipient, before)
        left = [one for one in after if one.takes_mail]
        if left:
            for one in left:
                self.people.put_status(one.list_uid, one.uid, WANTED[row.reason])
            way, after = Way.STATUS, read_back(self.people, recipient, before)
        state = result_of(before, after, told=True)
        why = ", ".join(f"{one.status} in list {one.list_uid}" for one in after if one.takes_mail)
        self._count(row, state, way, why, recipient)
        return way

    def _feed_back(self, recipient: Recipient) -> None:
        if recipient.row.reason is Reason.COMPLAINT:
            self.people.post_unsubscribe(recipient.campaign_uid, recipient.uid)
        else:
            self.people.post_bounce(recipient.campaign_uid, recipient.uid, TEXTS[recipient.row.reason])

    def _count(
        self, row: OpenRow, state: State, way: Way | None, why: str, recipient: Recipient | None
    ) -> None:
        found = recipient.key if recipient else None
        with self.store.session(tenant=self.instance.tenant) as conn:
            counted.count(
                conn, row.row_id, state, datetime.now(UTC), self.run.origin, way=way, why=why, found=found
            )

    def _guarded(self, row: OpenRow, step: Callable[[], Done]) -> Done | None:
        """One recipient that makes trouble keeps no other waiting; several on end are MailWizz's trouble, and nobody's try."""
        try:
            done = step()
        except AccessDenied:
            raise
        except EngineError as error:
            self.in_vain += 1
            self.troubled[row.row_id] = (row, error)
            self.answered = self.answered or not isinstance(error, Unreachable)
            if self.in_vain >= IN_VAIN:
                raise
            return None
        self.in_vain, self.answered = 0, True
        return done

    def _note_troubles(self) -> None:
        """MailWizz answered for others: these had a try in vain, and after some of them they are findings."""
        for row, error in self.troubled.values():
            with self.store.session(tenant=self.instance.tenant) as conn:
                counted.note_trouble(conn, row.row_id, str(error))
            if row.tries + 1 >= self.policy.tries:
                self._count(row, State.FINDING, None, str(error)[:500], None)
