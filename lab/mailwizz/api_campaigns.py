"""/campaigns: list, view, status changes, statistics."""

from datetime import timedelta
from typing import Any

from .database import Row
from .protocol import Call, Reply, Site, error, listing, record, stamp, success

PAUSABLE = ("sending", "processing", "pending-sending")
STATS_CACHE = timedelta(seconds=60)
_OPENS = "FROM {campaign_track_open} WHERE campaign_id = %s"
_CLICKS = "FROM {campaign_track_url} JOIN {campaign_url} USING (url_id) WHERE campaign_id = %s"
_TRACKED = {"opens": _OPENS, "unique_opens": _OPENS, "clicks": _CLICKS, "unique_clicks": _CLICKS}
_READERS = (
    ("opens", "*"),
    ("unique_opens", "DISTINCT subscriber_id"),
    ("clicks", "*"),
    ("unique_clicks", "DISTINCT subscriber_id"),
)


def find(site: Site, call: Call) -> Row | None:
    """The campaign that the path names, if it is this customer's."""
    query = "SELECT * FROM {campaign} WHERE campaign_uid = %s AND customer_id = %s"
    return site.database.row(query, call.path["campaign_uid"], call.customer_id)


def missing() -> Reply:
    return error(404, "The campaign does not exist.")


def _shown(site: Site, row: Row) -> dict[str, Any]:
    shown = {"campaign_uid": row["campaign_uid"], "campaign_id": site.number(row["campaign_id"])}
    return {**shown, "type": row["type"], "name": row["name"], "status": row["status"], "group": []}


def index(site: Site, call: Call) -> Reply:
    owner = call.customer_id
    count = site.database.number("SELECT count(*) FROM {campaign} WHERE customer_id = %s", owner)

    def fetch(limit: int, offset: int) -> list[dict[str, Any]]:
        query = "SELECT * FROM {campaign} WHERE customer_id = %s ORDER BY campaign_id DESC LIMIT %s OFFSET %s"
        return [_shown(site, row) for row in site.database.rows(query, owner, limit, offset)]

    return listing(site, call, count, fetch)


def view(site: Site, call: Call) -> Reply:
    row = find(site, call)
    if row is None:
        return missing()
    query = "SELECT list_uid, name FROM {list} WHERE list_id = %s"
    return record(
        {
            **_shown(site, row),
            "from_email": row["from_email"],
            "list": site.database.row(query, row["list_id"]),
            "date_added": f"{row['date_added']:%m/%d/%y, %-I:%M %p}",
        }
    )


def set_status(site: Site, campaign_id: int, status: str) -> None:
    query = "UPDATE {campaign} SET status = %s, last_updated = %s WHERE campaign_id = %s"
    site.database.run(query, status, site.now(), campaign_id)


def pause_unpause(site: Site, call: Call) -> Reply:
    """A toggle; success with the resulting status even where nothing changed."""
    row = find(site, call)
    if row is None:
        return missing()
    status = row["status"]
    if status in PAUSABLE:
        status = "paused"
    elif status == "paused":
        status = "sending"
    set_status(site, row["campaign_id"], status)
    return success(campaign={"status": status})


def mark_sent(site: Site, call: Call) -> Reply:
    row = find(site, call)
    if row is None:
        return missing()
    if row["status"] not in (*PAUSABLE, "paused", "sent"):
        return error(400, "This campaign cannot be marked as sent!")
    set_status(site, row["campaign_id"], "sent")
    return success(campaign={"status": "sent"})


def update(site: Site, call: Call) -> Reply:
    """Only campaign[status]=paused from an editable state, and the name."""
    row = find(site, call)
    if row is None:
        return missing()
    wanted = call.fields.get("campaign")
    if row["status"] not in ("pending-sending", "draft", "paused"):
        return error(422, "This campaign is not editable.")
    if not isinstance(wanted, dict) or not wanted:
        return error(422, {"campaign": "Please provide the campaign information."})
    if wanted.get("status") in ("paused", "draft", "pending-sending"):
        set_status(site, row["campaign_id"], wanted["status"])
    if wanted.get("name"):
        query = "UPDATE {campaign} SET name = %s WHERE campaign_id = %s"
        site.database.run(query, wanted["name"], row["campaign_id"])
    return success(campaign_uid=row["campaign_uid"])


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0


def stats(site: Site, call: Call) -> Reply:
    """Percentages; the rates of bounce types are shares of the bounces. Cached 60 s."""
    row = find(site, call)
    if row is None:
        return missing()
    kept = site.stats.get(row["campaign_uid"])
    if kept and kept[0] > site.now():
        return Reply(200, kept[1])
    campaign_id = row["campaign_id"]
    option = site.database.row("SELECT * FROM {campaign_option} WHERE campaign_id = %s", campaign_id) or {}
    processed = option.get("processed_count", 0)
    query = "SELECT bounce_type, count(*) AS n FROM {campaign_bounce_log} WHERE campaign_id = %s GROUP BY 1"
    bounces = {found["bounce_type"]: found["n"] for found in site.database.rows(query, campaign_id)}
    all_bounces = sum(bounces.values())
    one = site.database.number
    data: dict[str, Any] = {
        "campaign_status": row["status"],
        "subscribers_count": one("SELECT count(*) FROM {list_subscriber} WHERE list_id = %s", row["list_id"]),
        "processed_count": processed,
    }
    complaints = one("SELECT count(*) FROM {campaign_complain_log} WHERE campaign_id = %s", campaign_id)
    unsubscribes = one(
        "SELECT count(*) FROM {campaign_track_unsubscribe} WHERE campaign_id = %s", campaign_id
    )
    for name, count in (
        ("delivery_success", option.get("delivery_success_count", 0)),
        ("delivery_error", option.get("delivery_error_count", 0)),
        *((name, one(f"SELECT count({what}) {_TRACKED[name]}", campaign_id)) for name, what in _READERS),
        ("unsubscribes", unsubscribes),
        ("complaints", complaints),
        ("bounces", all_bounces),
    ):
        data |= {f"{name}_count": count, f"{name}_rate": _percent(count, processed)}
    for kind in ("hard", "soft", "internal"):
        count = bounces.get(kind, 0)
        data |= {f"{kind}_bounces_count": count, f"{kind}_bounces_rate": _percent(count, all_bounces)}
    body = {"status": "success", "data": data}
    site.stats[row["campaign_uid"]] = (site.now() + STATS_CACHE, body)
    return Reply(200, body)


def _delivery(row: Row) -> dict[str, Any]:
    return {
        "campaign": {"campaign_uid": row["campaign_uid"], "list": {"list_uid": row["list_uid"]}},
        "subscriber": {"subscriber_uid": row["subscriber_uid"], "email": row["email"]},
        "message": row["message"],
        "retries": str(row["retries"]),
        "max_retries": str(row["max_retries"]),
        "email_message_id": row["email_message_id"],
        "delivery_confirmed": row["delivery_confirmed"],
        "status": row["status"],
        "date_added": stamp(row["date_added"]),
    }


_DELIVERIES = """SELECT d.*, c.campaign_uid, l.list_uid, s.subscriber_uid, s.email FROM {campaign_delivery_log} d
    JOIN {campaign} c USING (campaign_id) JOIN {list} l USING (list_id) JOIN {list_subscriber} s USING (subscriber_id)"""


def delivery_logs(site: Site, call: Call) -> Reply:
    row = find(site, call)
    if row is None:
        return missing()
    key = row["campaign_id"]
    count = site.database.number("SELECT count(*) FROM {campaign_delivery_log} WHERE campaign_id = %s", key)

    def fetch(limit: int, offset: int) -> list[dict[str, Any]]:
        query = f"{_DELIVERIES} WHERE d.campaign_id = %s ORDER BY d.log_id DESC LIMIT %s OFFSET %s"
        return [_delivery(found) for found in site.database.rows(query, key, limit, offset)]

    return listing(site, call, count, fetch)


def delivery_log(site: Site, call: Call) -> Reply:
    query = f"{_DELIVERIES} WHERE d.email_message_id = %s AND c.customer_id = %s"
    row = site.database.row(query, call.path["message_id"], call.customer_id)
    return record(_delivery(row)) if row else error(404, "The delivery log does not exist.")
