"""Who may call the API: a plain key (2.x, 3.x) or a signed request (1.9). Every refusal is a 400."""

import hashlib
import hmac
from collections.abc import Mapping

from .config import CustomerSeed, InstanceConfig
from .database import Database
from .php_forms import build_query

REQUEST_TIMEFRAME = 900
REFUSALS = {
    "params": "Invalid API request params. Please refer to the documentation.",
    "key": "Invalid API key. Please refer to the documentation.",
    "ip": "Your IP address is not allowed to access this server.",
    "inactive": "Your account must be active in order to use the API.",
    "group": "Your account is not allowed to use the API.",
    "expired": "Your request expired. Please make a new request.",
    "signature": "Invalid API request signature. Please refer to the documentation.",
}
NO_PERMISSION = "You do not have enough permissions to access this endpoint."
"""For a key with permissions (2.2.9) that lacks the route's."""
SIGNED_HEADERS = ("X-MW-PUBLIC-KEY", "X-MW-TIMESTAMP", "X-MW-REMOTE-ADDR")


def signature(
    method: str, url: str, query: Mapping[str, object], params: Mapping[str, object], private: str
) -> str:
    """The 1.9 signature. `url` is absolute; `params` are the three X-MW headers and the body's fields."""
    url = url.rstrip("/")
    if query:
        url += "?" + build_query(dict(sorted(query.items(), key=lambda item: item[0].encode())))
    ordered = dict(sorted(params.items(), key=lambda item: item[0].encode()))
    text = f"{method.upper()} {url}{'&' if query else '?'}{build_query(ordered)}"
    return hmac.new(private.encode(), text.encode(), hashlib.sha1).hexdigest()


def caller(config: InstanceConfig, headers: Mapping[str, str]) -> CustomerSeed | None:
    """Whose key a request carries."""
    plain = None if config.signed else headers.get("x-api-key")
    given = (plain or headers.get("x-mw-public-key") or "").encode()
    return next((one for one in config.customers if hmac.compare_digest(given, one.api_key.encode())), None)


def refusal(
    config: InstanceConfig,
    headers: Mapping[str, str],
    method: str,
    url: str,
    query: Mapping[str, object],
    body: Mapping[str, object],
    unix_time: float,
) -> str | None:
    """A key of REFUSALS, or None if the caller is who they say. `headers` looks names up ignoring case."""
    if not config.signed:
        if not (headers.get("x-api-key") or headers.get("x-mw-public-key")):
            return "params"
        return None if caller(config, headers) else "key"
    public, stamp = headers.get("x-mw-public-key"), headers.get("x-mw-timestamp")
    given = headers.get("x-mw-signature")
    if not public or not stamp or not given:
        return "params"
    customer = caller(config, headers)
    if customer is None:
        return "key"
    if not stamp.isdigit() or int(stamp) + REQUEST_TIMEFRAME < unix_time:
        return "expired"
    params = {**body, **{name: headers.get(name.lower(), "") for name in SIGNED_HEADERS}}
    right = signature(method, url, query, params, customer.private_key)
    return None if hmac.compare_digest(given.encode(), right.encode()) else "signature"


def may_call(database: Database, config: InstanceConfig, customer: CustomerSeed, route: str) -> bool:
    """A key without `enable_permissions` may call everything."""
    if config.version < (2, 2, 9):
        return True
    key = database.row(
        "SELECT key_id FROM {customer_api_key} WHERE key = %s AND enable_permissions = 'yes'",
        customer.api_key,
    )
    if key is None:
        return True
    query = "SELECT 1 FROM {customer_api_key_permission} WHERE key_id = %s AND route = %s"
    return database.row(query, key["key_id"], route) is not None
