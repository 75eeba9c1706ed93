"""The client of MailWizz's API against the lab's, in both protocols."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from email_engine.adapters import mailwizz_api as module
from email_engine.adapters.mailwizz_api import Auth, MailwizzApi, MailwizzEndpoint, whole
from email_engine.errors import AccessDenied, EngineError, InputError, Refused, Unreachable
from email_engine_airflow.hooks.mailwizz import MailwizzHook
from lab.testing import API_KEY, RunningLab, running_lab

PRIVATE = "private-key-of-the-pair"
SERVERS = 23


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[RunningLab]:
    state: Path = tmp_path_factory.mktemp("mailwizz")
    servers = [
        {"server_id": 100 + n, "name": f"a-{n:03}", "hostname": "mta-1", "vmta": f"a-{n}"}
        for n in range(1, SERVERS + 1)
    ]
    shared = {"port": 0, "api_key": API_KEY, "database_url": postgres_url}
    world = {
        "state": str(state),
        "clock": {"mode": "real"},
        "mailwizz": [
            {"name": "mw-new", "table_prefix": "new_", "servers": servers, **shared},
            {"name": "mw-old", "table_prefix": "old_", "servers": servers[:2], **shared,
             "options": {"version": "1.9.20", "private_key": PRIVATE}},
            {"name": "mw-system", "table_prefix": "sys_", "servers": servers[:2], **shared, "options": {"scope": "system"}},
        ],
    }  # fmt: skip
    with running_lab(world) as lab:
        yield lab


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACK_OFF", (0.05, 0.05))


def api(
    lab: RunningLab, name: str = "mw-new", key: str = API_KEY, path: str = "/api", **options: object
) -> MailwizzApi:
    url = f"http://127.0.0.1:{lab.ready['mailwizz'][name]}{path}"
    return MailwizzApi(MailwizzEndpoint(name, url, key, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/index.php"])
@pytest.mark.parametrize("plain", [False, True], ids=["numbers as text", "plain numbers"])
def test_all_servers_come_over_several_pages(
    lab: RunningLab, path: str, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 10)
    lab.knob("mailwizz.plain_numbers", mailwizz="mw-new", on=plain)
    with api(lab, path=path) as client:
        found = client.delivery_servers()
    assert [server.server_id for server in found] == list(range(101, 101 + SERVERS))
    assert (found[0].type, found[0].name, found[0].hostname, found[0].status) == (
        "smtp-pmta",
        "a-001",
        "mta-1",
        "active",
    )


def test_no_servers_is_an_empty_list_of_nulls(lab: RunningLab) -> None:
    with api(lab, "mw-system") as client:
        assert client.delivery_servers() == ()


def test_signed_requests_work_where_a_key_alone_does_not(lab: RunningLab) -> None:
    with api(lab, "mw-old", auth=Auth.SIGNED, private_key=PRIVATE) as client:
        assert len(client.delivery_servers()) == 2
    with api(lab, "mw-old", auth=Auth.SIGNED, private_key="another") as client, pytest.raises(AccessDenied):
        client.delivery_servers()
    with api(lab, "mw-old") as client, pytest.raises(AccessDenied):
        client.delivery_servers()


@pytest.mark.parametrize("status", [400, 401])
def test_a_wrong_key_is_told_with_the_instance_and_without_the_key(lab: RunningLab, status: int) -> None:
    lab.knob("mailwizz.refuse", mailwizz="mw-new", reason="key", status=status)
    try:
        with api(lab, key="k" * 40) as client, pytest.raises(AccessDenied, match="MailWizz mw-new") as caught:
            client.delivery_servers()
    finally:
        lab.knob("mailwizz.refuse", mailwizz="mw-new", reason=None)
    assert "k" * 40 not in f"{caught.value} {client.endpoint!r}"
    assert "check the API key" in str(caught.value)


def test_maintenance_and_crashes_are_told_apart_and_crashes_are_tried_again(lab: RunningLab) -> None:
    lab.knob("mailwizz.offline", mailwizz="mw-new", on=True)
    with api(lab) as client, pytest.raises(Unreachable, match="maintenance"):
        client.delivery_servers()
    lab.knob("mailwizz.offline", mailwizz="mw-new", on=False)
    lab.knob("mailwizz.crash", mailwizz="mw-new", calls=2)
    with api(lab) as client:
        assert len(client.delivery_servers()) == SERVERS
    lab.knob("mailwizz.crash", mailwizz="mw-new", calls=3)
    with api(lab) as client, pytest.raises(Unreachable, match="500"):
        client.delivery_servers()


def test_a_writing_call_is_never_tried_twice(lab: RunningLab) -> None:
    lab.knob("mailwizz.crash", mailwizz="mw-new", calls=1)
    with api(lab) as client, pytest.raises(EngineError):
        client.call("PUT", "delivery-servers/101", form={"status": "active"})
    with api(lab) as client, pytest.raises(Refused, match="404"):
        client.call("PUT", "delivery-servers/101", form={"status": "active"})


@pytest.mark.parametrize(
    ("address", "error", "told"),
    [("http://127.0.0.1:1/api", Unreachable, "MailWizz mw"), ("{lab}/nothing/here", Refused, "ends in /api")],
    ids=["nobody listens", "not the API"],
)
def test_a_wrong_address_is_told(lab: RunningLab, address: str, error: type[EngineError], told: str) -> None:
    url = address.format(lab=f"http://127.0.0.1:{lab.ready['mailwizz']['mw-new']}")
    with MailwizzApi(MailwizzEndpoint("mw", url, API_KEY)) as client, pytest.raises(error, match=told):
        client.delivery_servers()


@pytest.mark.parametrize(
    "fields",
    [{"base_url": "mail.example/api"}, {"base_url": "https://u:p@mail.example/api"}, {"base_url": "ftp://x/"},
     {"base_url": ""}, {"api_key": ""}, {"auth": Auth.SIGNED}],
    ids=["no scheme", "a password in it", "ftp", "empty", "no key", "signed without private key"],
)  # fmt: skip
def test_an_incomplete_endpoint_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InputError):
        MailwizzEndpoint(**{"name": "mw", "base_url": "https://mail.example/api", "api_key": "k", **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "number"), [("12", 12), (12, 12), (None, None), ("", None), ("0", 0)])
def test_numbers_come_in_many_forms(value: object, number: int | None) -> None:
    assert whole(value) == number


def test_the_connections_test_button_counts_servers(lab: RunningLab, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(name: str, **changes: object) -> tuple[bool, str]:
        url = f"http://127.0.0.1:{lab.ready['mailwizz'][name]}/api"
        fields = {"conn_type": "mailwizz", "host": url, "password": API_KEY} | changes
        monkeypatch.setenv("AIRFLOW_CONN_MW", json.dumps(fields))
        return MailwizzHook("mw").test_connection()

    assert connect("mw-new") == (
        True,
        f"the key is accepted; {SERVERS} delivery servers belong to its customer",
    )
    assert "system servers never show" in connect("mw-system")[1]
    assert connect("mw-old", extra={"auth": "signed", "private_key": PRIVATE})[0]
    for wrong in ({"password": "x" * 40}, {"host": ""}, {"extra": {"auth": "magic"}}):
        works, told = connect("mw-new", **wrong)
        assert (works, "connection" in told) == (False, True)


@pytest.mark.parametrize("expected", [(), (404,), (404, 409, 422)])
def test_an_expected_code_counts_only_as_mailwizzs_own(lab: RunningLab, expected: tuple[int, ...]) -> None:
    with api(lab) as client:
        if expected:
            assert client.answer("GET", "campaigns/nobody0nobody", expected=expected).code == 404
        lab.knob("mailwizz.misroute", mailwizz="mw-new", having="campaigns/nobody")
        try:
            with pytest.raises(Refused, match="what the web server before it answers"):
                client.answer("GET", "campaigns/nobody0nobody", expected=expected)
        finally:
            lab.knob("mailwizz.misroute", mailwizz="mw-new", having=None)
