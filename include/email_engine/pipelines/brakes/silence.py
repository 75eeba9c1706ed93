"""MailWizz's half of a brake, proven by silence: what was handed over after its server was switched off, and campaigns that are
paused where the server alone does not hold."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from email_engine.adapters.mailwizz_api import MailwizzApi
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.adapters.mailwizz_pausing import OutcomeUnknown, pause, resume
from email_engine.adapters.mailwizz_traffic import Campaign, campaigns_through, newest_usage, usage_since
from email_engine.errors import EngineError, Refused
from email_engine.mailer.silence import LATELY, Heard, Rows, Silence, listen
from email_engine.pipelines.brakes.silence_news import EVENT, SETTLED, Listened, silence_news
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.store import quota_syncs
from email_engine.store.engine import Store
from email_engine.store.stops import silences
from email_engine.store.stops.brakes import Brake, engaged
from email_engine.store.stops.silences import PausedCampaign
from email_engine.store.telling.alerts import News, announce

log = logging.getLogger(__name__)


def prove_silence(
    store: Store, clients: Clients, host: str, run: Run, now: datetime, late: Callable[[], bool]
) -> None:
    """Looks at every stop of the host whose server is off: two minutes without a row of MailWizz's usage log prove it, and one more look
    ten minutes later; of a server that the log does not know nothing is proven. A server that hands over for ten minutes more has its campaigns paused. Never raises: the stop stands already."""
    try:
        open_ones, known = _open(store, host)
        found: list[Listened] = []
        for name in sorted({brake.mailwizz for brake in open_ones}):
            mine = [brake for brake in open_ones if brake.mailwizz == name]
            if not late():
                found += _listened_to(store, clients, name, mine, known, now, late)
        announce(store, list(silence_news(host, found, run)))
    except EngineError as error:
        log.warning("whether MailWizz is silent for the stops of %s is not known: %s", host, error)


def _open(store: Store, host: str) -> tuple[list[Brake], dict[int, list[Silence]]]:
    """Stops whose servers are off and whose silence is not proven. Of others what was heard is forgotten."""
    with store.session(tenant="*") as conn:
        brakes = engaged(conn, mta_host=host)
        known = silences.load(conn, [brake.brake_id for brake in brakes])
        for brake in brakes:
            if brake.brake_id in known and not _is_off(brake):
                silences.forget(conn, brake.brake_id)
    standing = [brake for brake in brakes if _is_off(brake)]
    proven = {number for number, those in known.items() if all(one.proven_at for one in those)}
    return [b for b in standing if b.brake_id not in proven], known


def _listened_to(
    store: Store, clients: Clients, name: str, mine: Sequence[Brake], known: dict[int, list[Silence]], now: datetime,
    late: Callable[[], bool],
) -> list[Listened]:  # fmt: skip
    try:
        with clients.mailwizz_db(mine[0].mailwizz_connection) as database:
            return _listened(store, clients, database, mine, known, now, late)
    except EngineError as error:
        log.warning("whether MailWizz %s is silent is not known: %s", name, error)
        return []


def _is_off(brake: Brake) -> bool:
    taken_over = brake.removed and (brake.successor is not None or brake.server_successor is not None)
    return brake.mailwizz_holds and brake.release_asked_at is None and not taken_over


def _listened(
    store: Store,
    clients: Clients,
    database: MailwizzDb,
    mine: Sequence[Brake],
    known: dict[int, list[Silence]],
    now: datetime,
    late: Callable[[], bool],
) -> list[Listened]:
    """One look at one MailWizz. What is heard for the first time has its beginning here."""
    _begin(store, database, [brake for brake in mine if brake.brake_id not in known], now)
    heard_before = [brake for brake in mine if brake.brake_id in known]
    rows = _rows(database, [silence for brake in heard_before for silence in known[brake.brake_id]])
    found = []
    for brake in heard_before:
        looks = [listen(one, rows[brake.brake_id, one.server_id], now) for one in known[brake.brake_id]]
        with store.session(tenant="*") as conn:
            for after, _ in looks:
                silences.save(conn, after)
        still = Heard.SILENT in {heard for _, heard in looks} and all(
            one.told == Heard.SILENT for one, _ in looks
        )
        for after, heard in looks:
            goes_on = rows[brake.brake_id, after.server_id].of_server and after.told in (
                Heard.LOUD,
                Heard.WOKE,
            )
            if after.told == Heard.SILENT:
                heard = Heard.SILENT if still else None
            if heard is not None or goes_on:
                found.append(Listened(brake, after, heard))
    for one in found:
        if one.heard not in SETTLED:
            _pause_campaigns(store, clients, database, one, now, late)
    return [one for one in found if one.heard is not None or one.paused]


def _begin(store: Store, database: MailwizzDb, new: Sequence[Brake], now: datetime) -> None:
    """The server of a stopped IP is listened to, and whatever else a brake of the IP switched off."""
    with store.session(tenant="*") as conn:
        off = quota_syncs.switched_off(conn, {brake.ip_id: brake.engaged_at for brake in new})
    feeding = {
        brake.brake_id: off[brake.ip_id]
        | (frozenset() if brake.mailwizz_server_id is None else {brake.mailwizz_server_id})
        for brake in new
    }
    if not any(feeding.values()):
        return
    newest = newest_usage(database)
    with store.session(tenant="*") as conn:
        for brake in new:
            for server in sorted(feeding[brake.brake_id]):
                silences.save(conn, Silence(brake.brake_id, brake.tenant, server, now, newest, now))


def _rows(database: MailwizzDb, those: Iterable[Silence]) -> dict[tuple[int, int], Rows]:
    """By ids of brake and server; one query for all that were looked at last in the same moment."""
    by_last: dict[int | None, list[Silence]] = defaultdict(list)
    for silence in those:
        by_last[silence.last_row].append(silence)
    found: dict[tuple[int, int], Rows] = {}
    for last, same in by_last.items():
        lately = min(silence.began_at for silence in same) - LATELY
        seen = usage_since(database, last, {silence.server_id for silence in same}, lately)
        found |= {(silence.brake_id, silence.server_id): seen[silence.server_id] for silence in same}
    return found


def _pause_campaigns(
    store: Store,
    clients: Clients,
    database: MailwizzDb,
    one: Listened,
    now: datetime,
    late: Callable[[], bool],
) -> None:
    """What the engine paused it resumes, and nothing else. One campaign that cannot be paused keeps no other running; what did not come
    to its end is tried at the next look that finds the server handing over."""
    server = one.silence.server_id
    try:
        campaigns = campaigns_through(database, server)
        if not campaigns:
            one.refused.append("no campaign under way hands over to it, by MailWizz's delivery log")
            return
        with store.session(tenant="*") as conn:
            connection = silences.api_connection(conn, one.brake.mailwizz)
        with clients.mailwizz_api(connection) as api:
            for campaign in campaigns:
                if late():
                    one.refused.append(f"{_name(campaign)}: no time left, the next look tries it")
                else:
                    _pause(store, api, one, campaign, now)
    except EngineError as error:
        one.refused.append(f"{error.subject}: {error.observed}")


def _pause(store: Store, api: MailwizzApi, one: Listened, campaign: Campaign, now: datetime) -> None:
    """Noted right before the toggle is sent, and forgotten again where it is known to have taken no effect."""
    noted: list[int] = []

    def note() -> None:
        with store.session(tenant="*") as conn:
            noted.append(silences.note_pause(conn, one.brake, campaign.uid, campaign.name, now))

    with store.session(tenant="*") as conn:
        if not silences.may_pause(conn, one.brake, campaign.uid, now):
            return
    try:
        done = pause(api, campaign.uid, note)
    except EngineError as error:
        if noted and not isinstance(error, OutcomeUnknown):
            with store.session(tenant="*") as conn:
                silences.not_paused(conn, noted[0])
        one.refused.append(f"{_name(campaign)}: {error.observed}")
        return
    if done:
        with store.session(tenant="*") as conn:
            silences.verified(conn, noted[0])
        one.paused.append(_name(campaign))


def _name(campaign: Campaign) -> str:
    return f"{campaign.name} ({campaign.uid})"


def resume_campaigns(store: Store, clients: Clients, host: str, run: Run, now: datetime) -> None:
    """Campaigns that the engine paused for a brake of the host that is over go on, where they are paused still. One that cannot be
    reached is tried again."""
    with store.session(tenant="*") as conn:
        waiting = silences.to_resume(conn, host)
    news = []
    for one in waiting:
        outcome = _resumed(clients, one)
        if outcome is None:
            continue
        with store.session(tenant="*") as conn:
            silences.resumed(conn, one.id, now, outcome)
        text = f"Campaign {one.name} ({one.campaign}) of {one.mailwizz}: {outcome}"
        news.append(
            News(
                EVENT,
                f"campaign {one.campaign}",
                f"resumed {one.id}",
                "info",
                text,
                one.tenant,
                run.dag_id,
                run.run_id,
            )
        )
    announce(store, news)


def _resumed(clients: Clients, one: PausedCampaign) -> str | None:
    try:
        with clients.mailwizz_api(one.api_connection) as api:
            went_on = resume(api, one.campaign)
    except Refused as error:
        return f"it was left as it is: {error.observed}"
    except EngineError as error:
        log.warning("campaign %s of %s stays paused for now: %s", one.campaign, one.mailwizz, error)
        return None
    return (
        "it goes on, for the stop is over" if went_on else "it was not paused any more, and was left as it is"
    )
