"""The request signature, PHP's forms and PHP's serialize, without any server."""

import pytest

from lab.mailwizz.auth import refusal, signature
from lab.mailwizz.config import InstanceConfig, parse_instance
from lab.mailwizz.php_forms import build_query, nest
from lab.mailwizz.php_serialize import additional_headers, meta_data, serialize, unserialize

HEADERS = {"X-MW-PUBLIC-KEY": "PUB", "X-MW-TIMESTAMP": "1700000000", "X-MW-REMOTE-ADDR": ""}
BASE = "https://mw.example/api"
BOUNCE = {"bounce_type": "hard", "message": "550 5.1.1 user unknown", "subscriber_uid": "ab123cdefg456"}


def _config(**more: object) -> InstanceConfig:
    return parse_instance({"name": "mw", "api_key": "PUB", "database_url": "postgresql://x", **more})


SIGNED = _config(mode="v1_9", private_key="PRIV", version="1.9.4")


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "expected"),
    [
        ("POST", "/campaigns/c1/bounces", {}, BOUNCE, "f7294fd7626c2dba57a0032c502fffddf16c9a81"),
        (
            "GET",
            "/campaigns",
            {"per_page": "50", "page": "1"},
            {},
            "a95f949a30c109bb508fe0a851fb481e4987230e",
        ),
    ],
    ids=["post with a body", "get with a query in any order"],
)
def test_the_measured_signatures_are_reproduced(
    method: str, path: str, query: dict[str, str], body: dict[str, str], expected: str
) -> None:
    assert signature(method, BASE + path, query, {**HEADERS, **body}, "PRIV") == expected


def _signed(**changes: str) -> dict[str, str]:
    given = signature("GET", f"{BASE}/campaigns", {}, HEADERS, "PRIV")
    headers = {**{name.lower(): value for name, value in HEADERS.items()}, "x-mw-signature": given}
    return {**headers, **changes}


@pytest.mark.parametrize(
    ("headers", "unix_time", "expected"),
    [
        (_signed(), 1_700_000_900, None),
        (_signed(), 1_700_000_901, "expired"),
        (_signed(), 1_600_000_000, None),
        (_signed(**{"x-mw-signature": "0" * 40}), 1_700_000_000, "signature"),
        (_signed(**{"x-mw-public-key": "OTHER"}), 1_700_000_000, "key"),
        ({"x-api-key": "PUB"}, 1_700_000_000, "params"),
    ],
    ids=[
        "900 s old",
        "901 s old",
        "stamp of the future",
        "wrong signature",
        "wrong public key",
        "a 2.x request",
    ],
)
def test_a_1_9_request_is_judged_by_key_age_and_signature(
    headers: dict[str, str], unix_time: float, expected: str | None
) -> None:
    assert refusal(SIGNED, headers, "GET", f"{BASE}/campaigns", {}, {}, unix_time) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-api-key": "PUB"}, None),
        ({"x-mw-public-key": "PUB"}, None),
        ({"x-api-key": "bad", "x-mw-public-key": "PUB"}, "key"),
        ({}, "params"),
    ],
    ids=["X-Api-Key", "X-MW-PUBLIC-KEY", "X-Api-Key wins", "no key"],
)
def test_a_2_x_request_needs_only_the_key(headers: dict[str, str], expected: str | None) -> None:
    assert refusal(_config(), headers, "GET", BASE, {}, {}, 0.0) == expected


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("EMAIL", "a@b.c")], {"EMAIL": "a@b.c"}),
        (
            [("details[status]", "confirmed"), ("details[source]", "api")],
            {"details": {"status": "confirmed", "source": "api"}},
        ),
        ([("s[0][EMAIL]", "x"), ("s[1][EMAIL]", "y")], {"s": {"0": {"EMAIL": "x"}, "1": {"EMAIL": "y"}}}),
        ([("a[]", "x"), ("a[]", "y")], {"a": {"0": "x", "1": "y"}}),
        ([("a", "x"), ("a[b]", "y")], {"a": {"b": "y"}}),
    ],
    ids=["flat", "one level", "rows", "append", "a later array wins"],
)
def test_form_names_nest_as_in_php(pairs: list[tuple[str, str]], expected: dict[str, object]) -> None:
    assert nest(pairs) == expected


def test_query_strings_follow_rfc_1738() -> None:
    assert build_query({"details": {"status": "a b"}, "x": "~é"}) == "details%5Bstatus%5D=a+b&x=%7E%C3%A9"


def test_additional_headers_survive_serialization() -> None:
    stored = meta_data({"x-virtual-mta": "aurora-1", "X-Job": "[CAMPAIGN_UID]"})
    assert stored.startswith(b'a:1:{s:18:"additional_headers";a:2:{i:0;a:2:{s:4:"name";s:13:"x-virtual-mta";')
    assert additional_headers(stored) == {"x-virtual-mta": "aurora-1", "x-job": "[CAMPAIGN_UID]"}


@pytest.mark.parametrize(
    "stored", [None, b"", b"rubbish", serialize({"additional_headers": "none"}), serialize([])]
)
def test_a_server_without_readable_headers_has_none(stored: bytes | None) -> None:
    assert additional_headers(stored) == {}


def test_php_values_of_every_kind_come_back() -> None:
    values = {"n": None, "b": True, "i": -7, "s": "Größe"}
    assert unserialize(serialize(values)) == values
    assert unserialize(b"d:0.5;") == 0.5


def test_a_wrong_world_names_every_mistake() -> None:
    servers = [{"server_id": 1, "name": "a", "hostname": "h", "daily_quota": -1, "status": "paused"}]
    with pytest.raises(ValueError, match="daily_quota") as caught:
        _config(servers=servers, scope="mine", table_prefix="mw;", mode="v1_9")
    told = str(caught.value)
    assert all(word in told for word in ("'paused'", "scope", "table_prefix", "private_key")), told
