"""What MailWizz notes when a recipient's program fetches the picture or follows a link."""

from .api_campaigns import find, missing
from .api_feedback import find_subscriber
from .database import Row
from .protocol import Call, Reply, Site, error, success

_NO_SUBSCRIBER = "The subscriber does not exist in this list."


def _reader(site: Site, call: Call) -> tuple[Row, Row] | Reply:
    """The campaign and the subscriber that the path names."""
    campaign = find(site, call)
    if campaign is None:
        return missing()
    subscriber = find_subscriber(site, campaign["list_id"], call.path["subscriber_uid"])
    return (campaign, subscriber) if subscriber else error(404, _NO_SUBSCRIBER)


def track_opening(site: Site, call: Call) -> Reply:
    found = _reader(site, call)
    if isinstance(found, Reply):
        return found
    campaign, subscriber = found
    site.database.run(
        "INSERT INTO {campaign_track_open} (campaign_id, subscriber_id, date_added) VALUES (%s, %s, %s)",
        campaign["campaign_id"],
        subscriber["subscriber_id"],
        site.now(),
    )
    return success()


def track_url(site: Site, call: Call) -> Reply:
    found = _reader(site, call)
    if isinstance(found, Reply):
        return found
    campaign, subscriber = found
    url = site.database.row(
        "SELECT url_id FROM {campaign_url} WHERE campaign_id = %s AND hash = %s",
        campaign["campaign_id"],
        call.path["hash"],
    )
    if url is None:
        return error(404, "The specified url does not exist.")
    site.database.run(
        "INSERT INTO {campaign_track_url} (url_id, subscriber_id, date_added) VALUES (%s, %s, %s)",
        url["url_id"],
        subscriber["subscriber_id"],
        site.now(),
    )
    return success()
