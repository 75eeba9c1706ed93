"""Mail of a campaign that none of a connection's API keys sees: it is another customer's, and must not count as nobody's."""

from dataclasses import dataclass, field

from email_engine.adapters.mailwizz_people import MailwizzPeople
from email_engine.adapters.mailwizz_traffic import campaign_owners
from email_engine.errors import EngineError
from email_engine.fleet.model import MailwizzInstance
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.suppression_sync.lookup import campaign_uids


@dataclass(slots=True)
class Unseen:
    """For one run: each campaign is asked for once, and a database that is away too."""

    clients: Clients
    instance: MailwizzInstance
    people: MailwizzPeople
    known: dict[str, str] = field(default_factory=dict)
    failure: EngineError | None = None

    def why(self, campaign: str | None) -> str:
        """Whose campaign it is and which key is missing; '' where a key sees it, or where MailWizz has no such campaign. Raises EngineError
        where its database cannot be asked: nobody knows whose it is, and the row waits for a run that does."""
        if not campaign:
            return ""
        if campaign not in self.known:
            self.known[campaign] = self._looked(campaign)
        return self.known[campaign]

    def _looked(self, campaign: str) -> str:
        uids = campaign_uids(campaign)
        if any(self.people.list_of(uid) for uid in uids):
            return ""
        if self.failure is not None:
            raise self.failure  # who waits for a database that is away for each recipient comes to nobody else
        try:
            with self.clients.mailwizz_db(self.instance.db_connection) as database:
                owners = campaign_owners(database, uids)
        except EngineError as error:
            self.failure = error
            raise
        for uid, customer in owners.items():
            return (
                f"campaign {uid} belongs to customer {customer}, whom no API key of connection {self.instance.api_connection} sees: "
                "add that customer's key to its field more_api_keys"
            )
        return ""
