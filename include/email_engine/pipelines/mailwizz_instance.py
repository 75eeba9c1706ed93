"""A MailWizz instance of the fleet by its name, for tasks that are mapped over them."""

from email_engine.errors import InputError
from email_engine.fleet.model import MailwizzInstance
from email_engine.store.engine import ALL_TENANTS, Store
from email_engine.store.fleet.inventory import load_fleet


def known_instance(store: Store, name: str) -> MailwizzInstance:
    """Raises InputError for one that is not in the fleet."""
    with store.session(tenant=ALL_TENANTS) as conn:
        known = {one.name: one for one in load_fleet(conn).mailwizz_instances}
    if name not in known:
        listed = ", ".join(sorted(known)) or "none"
        raise InputError(f"MailWizz {name}", "not in the fleet", listed, "clear the first task too")
    return known[name]
