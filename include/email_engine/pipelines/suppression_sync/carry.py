"""MailWizz is told, read back, told otherwise where that did not help, and counted: row by row, each exactly once."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from time import monotonic
from typing import TypeVar

from email_engine.accounting.sealing import Sealer
from email_engine.adapters.mailwizz_people import MailwizzPeople
from email_engine.errors import EngineError
from email_engine.fleet.model import MailwizzInstance
from email_engine.pipelines.run import Run
from email_engine.pipelines.suppression_sync.lookup import (
    Recipient,
    by_address,
    find,
    first_of,
    read,
    read_back,
)
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
CORRECTED = "the subscriber is gone, or has another address by now"
IN_VAIN = 3
"""After so many recipients on end that fail, MailWizz is asked for what concerns none of them: it says whether it is it, or they."""
MOST_IN_VAIN = 100
"""After so many on end a run ends; the next one begins with others."""


class Stage(StrEnum):
    """A key may be allowed to read and not to write: what one of the two met says nothing of the other."""

    LOOK = "look"
    TELL = "tell"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a row met."""

    row: OpenRow
    stage: Stage
    error: EngineError


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
    troubled: dict[int, Trouble] = field(default_factory=dict)
    in_vain: int = 0
    went_well: set[Stage] = field(default_factory=set)

    def carry(self) -> None:
        """Raises EngineError where MailWizz is away or refuses the key; what was counted stays counted."""
        until = self.clock() + self.policy.minutes * 60
        self.webhook = self.policy.webhook
        while self.clock() < until and self.in_vain < MOST_IN_VAIN:
            with self.store.session(tenant=self.instance.tenant) as conn:
                rows = counted.open_rows(conn, self.instance.name, self.policy.batch, self.troubled)
            if not rows:
                break
            self._batch(rows, until)
        else:
            why = "too many fail on end" if self.in_vain >= MOST_IN_VAIN else "the time is up"
            log.warning("%s: %s; the next run goes on", self.instance.name, why)
        if self.troubled:
            if not self.went_well:
                self.people.ask_nothing()
            self._note_troubles()

    def _batch(self, rows: Sequence[OpenRow], until: float) -> None:
        to_tell: dict[str | tuple[str, str], tuple[Recipient, tuple[Subscriber, ...]]] = {}
        half = self.clock() + (until - self.clock()) / 2
        for row in rows:
            if self.clock() >= half or self.in_vain >= MOST_IN_VAIN:
                break  # over a slow link the other half of the time is for telling
            looked = self._guarded(row, Stage.LOOK, partial(self._look, row))
            # of one person's rows, through whatever list, the second finds what the first did
            if looked is not None:
                to_tell.setdefault(looked[0].person, looked)
        with self.store.session(tenant=self.instance.tenant) as conn:
            intents = [
                Intent(r.row.row_id, r.campaign_uid or None, r.list_uid, r.uid) for r, _ in to_tell.values()
            ]
            counted.note_intents(conn, intents, datetime.now(UTC))
        told = self._tell_webhook(to_tell.values())
        took, looked_in_vain, self.in_vain = 0, self.in_vain, 0
        for recipient, before in to_tell.values():
            if self.clock() >= until or self.in_vain >= MOST_IN_VAIN:
                return
            tell = partial(self._tell, recipient, before, webhook=recipient.key in told)
            done = self._guarded(recipient.row, Stage.TELL, tell)
            took += done is Way.WEBHOOK
        if told and not took:
            log.warning("%s: its webhook answered and did nothing; the API alone is used", self.instance.name)
            self.webhook = False
        self.in_vain = max(self.in_vain, looked_in_vain)

    def _look(self, row: OpenRow) -> tuple[Recipient, tuple[Subscriber, ...]] | None:
        """Counts what needs no word to MailWizz; else who it is, and how MailWizz has it."""
        recipient = find(self.people, row, self.sealer)
        if recipient is None and not row.copied:
            hidden = self.unseen(row.campaign)
            if hidden:
                self._count(row, State.FINDING, None, hidden, None)
                return None
        recipient = recipient or by_address(self.people, row, self.sealer)
        before = read(self.people, recipient) if recipient else ()
        if recipient and before and recipient.key not in {(one.list_uid, one.uid) for one in before}:
            recipient = recipient.elsewhere(before[0])
        if recipient is None or not any(one.takes_mail for one in before):
            state = result_of(before, before, told=row.told)
            nobody = "this MailWizz does not know the address" if row.copied else NO_RECIPIENT
            if recipient and not row.copied:
                nobody = CORRECTED
            why = "" if before else nobody
            self._count(row, state, None, why, recipient)
            return None
        return recipient, before

    def _tell_webhook(
        self, to_tell: Collection[tuple[Recipient, tuple[Subscriber, ...]]]
    ) -> frozenset[tuple[str, str]]:
        """All of them in one request; complaints never, since MailWizz may be set to delete whom they come from, and nobody whose
        address was corrected, since MailWizz goes from the Message-Id to the address of now."""
        fit = [
            r
            for r, before in to_tell
            if r.in_log and r.row.reason is not Reason.COMPLAINT and first_of(r, before) is not None
        ]
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

    def _guarded(self, row: OpenRow, stage: Stage, step: Callable[[], Done]) -> Done | None:
        """One recipient that makes trouble keeps no other waiting, nor do several on end, as long as MailWizz answers what concerns none
        of them. Where it does not, that is raised, and it is nobody's try."""
        try:
            done = step()
        except EngineError as error:
            self.in_vain += 1
            self.troubled[row.row_id] = Trouble(row, stage, error)
            if self.in_vain % IN_VAIN == 0:
                self.people.ask_nothing()
            return None
        self.in_vain = 0
        self.went_well.add(stage)
        return done

    def _note_troubles(self) -> None:
        """MailWizz answers: these had a try in vain, so that the next run begins with others, and after some of them they are findings.
        Not where nothing went well at that stage and several failed: then it may be a missing permission, which is raised."""
        doubtful: list[EngineError] = []
        for stage in Stage:
            of_stage = [one for one in self.troubled.values() if one.stage is stage]
            doubted = len(of_stage) >= IN_VAIN and stage not in self.went_well
            for one in of_stage:
                with self.store.session(tenant=self.instance.tenant) as conn:
                    counted.note_trouble(conn, one.row.row_id, str(one.error))
                if one.row.tries + 1 >= self.policy.tries and not doubted:
                    self._count(one.row, State.FINDING, None, str(one.error)[:500], None)
            doubtful += [of_stage[0].error] if doubted else []
        if doubtful:
            raise doubtful[0]
