"""/lists and their subscribers, with MailWizz's traps: POST subscribes again who had unsubscribed."""

import re
import secrets
from typing import Any

from .api_feedback import find_subscriber
from .database import Row
from .protocol import Call, Reply, Site, error, listing, record, stamp, success
from .seed import UID_LETTERS

STATUSES = ("confirmed", "unconfirmed", "unsubscribed", "blacklisted", "unapproved", "disabled", "moved")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def _list(site: Site, call: Call) -> Row | None:
    query = "SELECT * FROM {list} WHERE list_uid = %s AND customer_id = %s"
    return site.database.row(query, call.path["list_uid"], call.customer_id)


def _no_list() -> Reply:
    return error(404, "The subscribers list does not exist.")


def _no_subscriber() -> Reply:
    return error(404, "The subscriber does not exist in this list.")


def lists(site: Site, call: Call) -> Reply:
    owner = call.customer_id
    count = site.database.number("SELECT count(*) FROM {list} WHERE customer_id = %s", owner)

    def fetch(limit: int, offset: int) -> list[dict[str, Any]]:
        query = "SELECT * FROM {list} WHERE customer_id = %s ORDER BY list_id DESC LIMIT %s OFFSET %s"
        found = site.database.rows(query, owner, limit, offset)
        empty: dict[str, Any] = {"defaults": {}, "notifications": {}, "company": {}}
        return [
            {
                "general": {
                    "list_uid": row["list_uid"],
                    "name": row["name"],
                    "display_name": row["name"],
                    "description": "",
                },
                **empty,
            }
            for row in found
        ]

    return listing(site, call, count, fetch)


def view_list(site: Site, call: Call) -> Reply:
    row = _list(site, call)
    if row is None:
        return _no_list()
    general = {
        "list_uid": row["list_uid"],
        "name": row["name"],
        "display_name": row["name"],
        "description": "",
    }
    return record({"general": general, "defaults": {}, "notifications": {}, "company": {}})


def _shown(row: Row) -> dict[str, Any]:
    told = ("subscriber_uid", "status", "source", "ip_address")
    return {
        "EMAIL": row["email"],
        **{name: row[name] or "" for name in told},
        "date_added": stamp(row["date_added"]),
    }


def index(site: Site, call: Call) -> Reply:
    found = _list(site, call)
    if found is None:
        return _no_list()
    wanted = [call.query["status"]] if call.query.get("status") in STATUSES else list(STATUSES)
    where = "FROM {list_subscriber} WHERE list_id = %s AND status = ANY(%s)"
    count = site.database.number(f"SELECT count(*) {where}", found["list_id"], wanted)

    def fetch(limit: int, offset: int) -> list[dict[str, Any]]:
        query = f"SELECT * {where} ORDER BY subscriber_id DESC LIMIT %s OFFSET %s"
        return [_shown(row) for row in site.database.rows(query, found["list_id"], wanted, limit, offset)]

    return listing(site, call, count, fetch)


def view(site: Site, call: Call) -> Reply:
    found = _list(site, call)
    if found is None:
        return _no_list()
    row = find_subscriber(site, found["list_id"], call.path["subscriber_uid"])
    return record(_shown(row)) if row else _no_subscriber()


def _details(call: Call) -> dict[str, Any]:
    details = call.fields.get("details")
    return details if isinstance(details, dict) else {}


def create(site: Site, call: Call) -> Reply:
    found = _list(site, call)
    if found is None:
        return _no_list()
    email = str(call.fields.get("EMAIL", ""))
    if not email:
        return error(422, "Please provide the subscriber email address.")
    if not _ADDRESS.fullmatch(email):
        return error(422, "Please provide a valid email address.")
    if site.database.row("SELECT 1 FROM {email_blacklist} WHERE email = %s", email):
        return error(409, "This email address is blacklisted.")
    query = "SELECT * FROM {list_subscriber} WHERE list_id = %s AND email = %s"
    known = site.database.row(query, found["list_id"], email)
    if known and known["status"] != "unsubscribed":
        return error(409, "The subscriber already exists in this list.")
    wanted = _details(call).get("status", "confirmed")
    status = wanted if wanted in STATUSES else "confirmed"
    row = site.database.row(
        """INSERT INTO {list_subscriber} (subscriber_uid, list_id, email, source, status, ip_address, date_added)
        VALUES (%s, %s, %s, 'api', %s, %s, %s) ON CONFLICT (list_id, email)
        DO UPDATE SET status = excluded.status, last_updated = excluded.date_added RETURNING *""",
        "".join(secrets.choice(UID_LETTERS) for _ in range(13)),
        found["list_id"],
        email,
        status,
        _details(call).get("ip_address"),
        site.now(),
    )
    site.subscribers_changed()
    shown = _shown(row or {})
    told = ("subscriber_uid", "ip_address", "source", "date_added")
    return record({**{name: shown[name] for name in told}, "email": email}, status=201)


def update(site: Site, call: Call) -> Reply:
    found = _list(site, call)
    if found is None:
        return _no_list()
    row = find_subscriber(site, found["list_id"], call.path["subscriber_uid"])
    if row is None:
        return error(409, "The subscriber does not exist in this list.")
    status = _details(call).get("status", row["status"])
    query = "UPDATE {list_subscriber} SET status = %s, email = %s, last_updated = %s WHERE subscriber_id = %s"
    email = str(call.fields.get("EMAIL") or row["email"])
    site.database.run(
        query, status if status in STATUSES else row["status"], email, site.now(), row["subscriber_id"]
    )
    return record(_shown({**row, "status": status, "email": email}))


def unsubscribe(site: Site, call: Call) -> Reply:
    found = _list(site, call)
    if found is None:
        return _no_list()
    row = find_subscriber(site, found["list_id"], call.path["subscriber_uid"])
    if row is None:
        return _no_subscriber()
    query = (
        "UPDATE {list_subscriber} SET status = 'unsubscribed', last_updated = %s"
        " WHERE subscriber_id = %s AND status = 'confirmed'"
    )
    site.database.run(query, site.now(), row["subscriber_id"])
    return success()


def delete(site: Site, call: Call) -> Reply:
    found = _list(site, call)
    if found is None:
        return _no_list()
    query = "DELETE FROM {list_subscriber} WHERE list_id = %s AND subscriber_uid = %s"
    if not site.database.run(query, found["list_id"], call.path["subscriber_uid"]):
        return _no_subscriber()
    site.subscribers_changed()
    return success()


def search_by_email(site: Site, call: Call) -> Reply:
    found = _list(site, call)
    if found is None:
        return _no_list()
    query = "SELECT * FROM {list_subscriber} WHERE list_id = %s AND email = %s"
    row = site.database.row(query, found["list_id"], call.query.get("EMAIL", ""))
    if row is None:
        return _no_subscriber()
    told = ("subscriber_uid", "status")
    return success(data={**{name: row[name] for name in told}, "date_added": stamp(row["date_added"])})


_EVERYWHERE = """SELECT s.*, l.list_uid, l.name AS list_name FROM {list_subscriber} s JOIN {list} l USING (list_id)
    WHERE s.email = %s AND l.customer_id = %s ORDER BY subscriber_id DESC LIMIT %s"""


def search_in_all_lists(site: Site, call: Call) -> Reply:
    email = call.query.get("EMAIL", "")
    rows = site.database.rows(_EVERYWHERE, email, call.customer_id, 100)
    if not rows:
        return error(404, "The subscriber does not exist in any list.")
    records = [
        {**_shown(row), "list": {"list_uid": row["list_uid"], "name": row["list_name"]}} for row in rows
    ]
    page = {"count": len(rows), "total_pages": 1, "current_page": 1, "next_page": None, "prev_page": None}
    return success(data={**page, "records": records})


def unsubscribe_everywhere(site: Site, call: Call) -> Reply:
    """Whatever the subscriber was, blacklisted too; success even if nobody has the address."""
    email = str(call.fields.get("EMAIL", ""))
    rows = site.database.rows(_EVERYWHERE, email, call.customer_id, 1000)
    query = "UPDATE {list_subscriber} SET status = 'unsubscribed', last_updated = %s WHERE subscriber_id = ANY(%s)"
    site.database.run(query, site.now(), [row["subscriber_id"] for row in rows])
    return success()
