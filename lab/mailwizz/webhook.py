"""The inbound webhook /index.php/dswh/pmta: PowerMTA accounting records as JSON. No key; the answer never tells anything."""

import json
from typing import Any

from .database import Row
from .protocol import Site
from .suppression import blacklist, log_bounce, log_complaint, unsubscribe

BOUNCES = ("b", "rb", "rs")
HARD = ("bad-mailbox", "inactive-mailbox", "bad-domain")
SOFT = ("quota-issues", "no-answer-from-host", "relaying-issues", "routing-errors")


def parse_records(body: bytes) -> list[dict[str, Any]]:
    """One JSON object, an array of them, or one a line; what cannot be read is dropped."""
    text = body.decode("utf-8", "replace").strip()
    try:
        whole = json.loads(text)
        found = whole if isinstance(whole, list) else [whole]
    except ValueError:
        found = []
        for line in text.splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return [item for item in found if isinstance(item, dict)]


def take(site: Site, body: bytes) -> int:
    """How many records changed something."""
    taken = 0
    for item in parse_records(body):
        kind = item.get("type")
        message_id = str(item.get("header_Message-Id", "")).strip().strip("<>")
        if kind not in (*BOUNCES, "f") or not message_id:
            continue
        sent = _delivery(site, message_id)
        if sent is None:
            continue
        with site.database.transaction():
            taken += _bounce(site, sent, item) if kind in BOUNCES else _complaint(site, sent)
    return taken


def _delivery(site: Site, message_id: str) -> Row | None:
    return site.database.row(
        """SELECT d.campaign_id, s.subscriber_id, s.email, s.status FROM {campaign_delivery_log} d
        JOIN {list_subscriber} s USING (subscriber_id)
        WHERE d.email_message_id = %s AND d.status = 'success' AND s.status = 'confirmed' LIMIT 1""",
        message_id,
    )


def _bounce(site: Site, sent: Row, item: dict[str, Any]) -> bool:
    category = str(item.get("bounceCat", ""))
    if not category:
        return False
    claimed = "hard" if category in HARD else "soft" if category in SOFT else "internal"
    message = str(item.get("dsnDiag", ""))
    return log_bounce(site.database, sent["campaign_id"], sent, claimed, message, site.now()) is not None


def _complaint(site: Site, sent: Row) -> bool:
    action, now = site.config.fbl_action, site.now()
    if action == "delete":
        site.database.run("DELETE FROM {list_subscriber} WHERE subscriber_id = %s", sent["subscriber_id"])
        site.subscribers_changed()
        return True
    log_complaint(site.database, sent["campaign_id"], sent, "Abuse complaint through the feedback loop", now)
    if action == "blacklist":
        blacklist(site.database, sent, "Abuse complaint through the feedback loop", now)
    else:
        unsubscribe(site.database, sent["subscriber_id"], now)
    return True
