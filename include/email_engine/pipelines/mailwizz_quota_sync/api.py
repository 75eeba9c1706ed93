"""What MailWizz's API says before anything is written to its database."""

from collections.abc import Sequence

from email_engine.errors import EngineError, Refused
from email_engine.fleet.model import MailwizzInstance
from email_engine.mailer.model import DeliveryServer
from email_engine.pipelines.clients import Clients

ROUTE = "GET delivery-servers"
PERMISSION = "delivery-servers/index"
"""How MailWizz's form of an API key calls it, since 2.2.9."""
SINCE = "1.9.17"


def observe_api(
    clients: Clients, instance: MailwizzInstance, servers: Sequence[DeliveryServer]
) -> EngineError | None:
    """Asks MailWizz's API whether it shows the same servers as the database.

    Returns why it shows none at all: it is away, refuses us or has no such route. That is told and holds nothing up. Raises
    Refused if it is another installation than the database's: then nothing may be written at all."""

    try:
        with clients.mailwizz_api(instance.api_connection) as api:
            shown = api.delivery_servers()
    except EngineError as error:
        return error
    known = {server.server_id: server for server in servers}
    for seen in shown:
        server = known.get(seen.server_id)
        if server is None or not server.may_be(seen.type, seen.hostname):
            raise Refused(
                f"MailWizz {instance.name}",
                f"its API shows delivery server {seen.server_id} ({seen.name}), its database "
                + ("another one" if server else "has none"),
                "connections to the same installation",
                f"compare the connections {instance.api_connection} and {instance.db_connection}",
            )
    return None
