"""/delivery-servers: read only, five fields, only what the key's customer owns."""

from .database import Row
from .protocol import Call, Reply, Site, error, listing, record

_FIELDS = "server_id, type, name, hostname, status"
_OWN = "FROM {delivery_server} WHERE customer_id = %s AND status <> 'pending-delete'"


def _shown(site: Site, row: Row) -> Row:
    return {**row, "server_id": site.number(row["server_id"])}


def index(site: Site, call: Call) -> Reply:
    owner = call.customer_id
    count = site.database.number(f"SELECT count(*) {_OWN}", owner)

    def fetch(limit: int, offset: int) -> list[Row]:
        query = f"SELECT {_FIELDS} {_OWN} ORDER BY name LIMIT %s OFFSET %s"
        return [_shown(site, row) for row in site.database.rows(query, owner, limit, offset)]

    return listing(site, call, count, fetch)


def view(site: Site, call: Call) -> Reply:
    server_id = call.path["server_id"]
    row = None
    if server_id.isdigit() and len(server_id) < 10:
        query = f"SELECT {_FIELDS} {_OWN} AND server_id = %s"
        row = site.database.row(query, call.customer_id, int(server_id))
    return record(_shown(site, row)) if row else error(404, "The server does not exist.")
