"""What may be told about a campaign's recipients: bounces (read and post), complaints (read), unsubscribes."""

from collections.abc import Callable
from typing import Any

from .api_campaigns import find, missing
from .database import Row
from .protocol import Call, Reply, Site, error, listing, record, stamp, success
from .suppression import log_bounce, unsubscribe

_BOUNCES = """SELECT x.*, s.subscriber_uid, s.email FROM {campaign_bounce_log} x
    JOIN {list_subscriber} s USING (subscriber_id) WHERE x.campaign_id = %s ORDER BY log_id DESC"""
_COMPLAINTS = """SELECT x.*, s.subscriber_uid, s.email FROM {campaign_complain_log} x
    JOIN {list_subscriber} s USING (subscriber_id) WHERE x.campaign_id = %s ORDER BY log_id DESC"""
_UNSUBSCRIBES = """SELECT x.*, s.subscriber_uid, s.email FROM {campaign_track_unsubscribe} x
    JOIN {list_subscriber} s USING (subscriber_id) WHERE x.campaign_id = %s ORDER BY id DESC"""


def _person(row: Row) -> dict[str, Any]:
    return {"subscriber_uid": row["subscriber_uid"], "email": row["email"]}


def _bounce(row: Row) -> dict[str, Any]:
    shown = {"message": row["message"], "processed": row["processed"], "bounce_type": row["bounce_type"]}
    return {**shown, "subscriber": _person(row)}


def _complaint(row: Row) -> dict[str, Any]:
    return {"message": row["message"], "subscriber": _person(row)}


def _unsubscribe(row: Row) -> dict[str, Any]:
    told = {name: row[name] for name in ("ip_address", "user_agent", "reason", "note")}
    return {**told, "date_added": stamp(row["date_added"]), "subscriber": _person(row)}


def _log(site: Site, call: Call, query: str, shape: Callable[[Row], dict[str, Any]]) -> Reply:
    campaign = find(site, call)
    if campaign is None:
        return missing()
    found = site.database.rows(query, campaign["campaign_id"])
    return listing(
        site, call, len(found), lambda size, skip: [shape(row) for row in found[skip : skip + size]]
    )


def bounces(site: Site, call: Call) -> Reply:
    return _log(site, call, _BOUNCES, _bounce)


def complaints(site: Site, call: Call) -> Reply:
    return _log(site, call, _COMPLAINTS, _complaint)


def unsubscribes(site: Site, call: Call) -> Reply:
    return _log(site, call, _UNSUBSCRIBES, _unsubscribe)


def create_bounce(site: Site, call: Call) -> Reply:
    campaign = find(site, call)
    if campaign is None:
        return missing()
    uid = call.fields.get("subscriber_uid")
    if not uid:
        return error(422, "Please provide the subscriber unique id.")
    subscriber = find_subscriber(site, campaign["list_id"], str(uid))
    if subscriber is None:
        return error(404, "The subscriber does not exist in this list.")
    message, claimed = str(call.fields.get("message", "")), str(call.fields.get("bounce_type", "internal"))
    if not message:
        return error(422, {"message": "Message cannot be blank."})
    with site.database.transaction():
        made = log_bounce(site.database, campaign["campaign_id"], subscriber, claimed, message, site.now())
    if made is None:
        return error(422, "This subscriber has already been marked as bounced!")
    return record(_bounce({**subscriber, **made}), status=201)


def find_subscriber(site: Site, list_id: int, uid: str) -> Row | None:
    query = "SELECT * FROM {list_subscriber} WHERE list_id = %s AND subscriber_uid = %s"
    return site.database.row(query, list_id, uid)


def track_unsubscribe(site: Site, call: Call) -> Reply:
    campaign = find(site, call)
    if campaign is None:
        return missing()
    subscriber = find_subscriber(site, campaign["list_id"], call.path["subscriber_uid"])
    if subscriber is None:
        return error(404, "The subscriber does not exist in this list.")
    with site.database.transaction():
        site.database.run(
            "INSERT INTO {campaign_track_unsubscribe} (campaign_id, subscriber_id, ip_address, user_agent, reason,"
            " date_added) VALUES (%s, %s, %s, %s, %s, %s)",
            campaign["campaign_id"],
            subscriber["subscriber_id"],
            *(
                str(call.fields[name])[:255] if name in call.fields else None
                for name in ("ip_address", "user_agent", "reason")
            ),
            site.now(),
        )
        unsubscribe(site.database, subscriber["subscriber_id"], site.now())
    return success()
