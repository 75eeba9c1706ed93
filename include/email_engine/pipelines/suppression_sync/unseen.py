"""Mail of a campaign that none of a connection's API keys sees: it is another customer's, and must not count as nobody's."""

import logging
from dataclasses import dataclass, field

from email_engine.adapters.mailwizz_people import MailwizzPeople
from email_engine.adapters.mailwizz_traffic import campaign_owners
from email_engine.errors import EngineError
from email_engine.fleet.model import MailwizzInstance
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.suppression_sync.lookup import campaign_uids

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Unseen:
    """Each campaign is asked for once."""

    clients: Clients
    instance: MailwizzInstance
    people: MailwizzPeople
    known: dict[str, str] = field(default_factory=dict)

    def why(self, campaign: str | None) -> str:
        """Whose campaign it is and which key is missing; '' where a key sees it, where MailWizz has no such campaign, or where its database
        cannot be asked."""
        if not campaign:
            return ""
        if campaign not in self.known:
            self.known[campaign] = self._looked(campaign)
        return self.known[campaign]

    def _looked(self, campaign: str) -> str:
        uids = campaign_uids(campaign)
        if any(self.people.list_of(uid) for uid in uids):
            return ""
        try:
            with self.clients.mailwizz_db(self.instance.db_connection) as database:
                owners = campaign_owners(database, uids)
        except EngineError as error:
            log.warning(
                "%s: whether campaign %s is another customer's is not known: %s",
                self.instance.name,
                campaign,
                error,
            )
            return ""
        for uid, customer in owners.items():
            return (
                f"campaign {uid} belongs to customer {customer}, whom no API key of connection {self.instance.api_connection} sees: "
                "add that customer's key to its field more_api_keys"
            )
        return ""
