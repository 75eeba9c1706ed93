"""Connections as a person makes, tests and edits them in Airflow's own pages."""

import json
from typing import Any

import pytest

from tests.browser import pages
from tests.browser.conftest import Opened
from tests.stack_fixtures import Everything

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(300)]

HAND = "powermta_by_hand"


def lab_fields(everything: Everything, host: str = "mta-1") -> dict[str, Any]:
    """What an operator would copy: port, host key, private key of the lab's host."""
    lab = everything.settings.lab
    return {
        "port": everything.settings.ports[f"lab {host} ssh"],
        "host_key": (lab / "keys" / f"{host}.pub").read_text().strip(),
        "private_key": (lab / "client_key").read_text(),
    }


def test_every_test_button_of_the_lab_is_green(everything: Everything, opened: Opened) -> None:
    page = opened(1280)
    names = pages.rows(page)
    assert len(names) >= 9
    answers = {name: pages.press_test(page, name) for name in names}
    assert {name: status for name, (status, _) in answers.items()} == dict.fromkeys(names, 200)
    assert not {name: told["message"] for name, (_, told) in answers.items() if not told["status"]}


def test_a_key_pasted_into_one_line_works_and_survives_an_edit(
    everything: Everything, opened: Opened
) -> None:
    page, fields = opened(1280), lab_fields(everything)
    form = pages.open_form(page)
    form.locator("[name=connection_id]").fill(HAND)
    pages.choose_type(page, form, "PowerMTA (SSH)")
    assert "Port (fill in: 22)" in form.inner_text()
    form.locator("[name=host]").fill("127.0.0.1")
    form.locator("[name=login]").fill("pmta")
    form.locator("[name=port]").fill(str(fields["port"]))
    assert "private_key" in pages.extra_fields(form)
    form.locator("[name=element_host_key]").fill(f"mta-1.example.com {fields['host_key']}")
    form.locator("[name=element_private_key]").fill(fields["private_key"].replace("\n", " "))
    assert page.evaluate(pages.OUTSIDE) == []
    assert pages.save(page, form) == 201
    try:
        pages.row(page, HAND).wait_for()
        status, told = pages.press_test(page, HAND)
        assert (status, told["status"]) == (200, True), told

        form = pages.open_form(page, HAND)
        shown = pages.extra_fields(form)
        assert shown == {
            "host_key": f"mta-1.example.com {fields['host_key']}", "private_key": "***", "private_key_file": "",
            "pmta_command": "pmta", "connect_timeout": "10", "command_timeout": "60",
            "keys_login": "", "keys_private_key": "", "keys_private_key_file": "",
        }  # fmt: skip
        form.get_by_role("button", name="Standard Fields").click()
        form.locator("[name=description]").fill("made by hand")
        assert pages.save(page, form) == 200
        stored = everything.api.get(f"/connections/{HAND}")
        assert stored["description"] == "made by hand"
        assert fields["host_key"] in json.loads(stored["extra"])["host_key"]
        status, told = pages.press_test(page, HAND)
        assert (status, told["status"]) == (200, True), told
    finally:
        everything.api.client.delete(f"/api/v2/connections/{HAND}").raise_for_status()


@pytest.mark.parametrize(
    ("changes", "seen"),
    [({"private_key": "PuTTY-User-Key-File-3: ssh-ed25519 secretsecret"}, "a PuTTY .ppk file"),
     ({"host": "http://pmta:secretsecret@127.0.0.1"}, "carries a user or a password")],
    ids=["a key of PuTTY", "a password in the host"],
)  # fmt: skip
def test_a_wrong_connection_is_red_with_our_own_sentence(
    everything: Everything, opened: Opened, changes: dict[str, str], seen: str
) -> None:
    fields = lab_fields(everything) | {"host": "127.0.0.1"} | changes
    extra = {"host_key": fields["host_key"], "private_key": fields["private_key"]}
    body = {
        "connection_id": HAND, "conn_type": "powermta", "host": fields["host"], "port": fields["port"], "login": "pmta",
        "extra": json.dumps(extra),
    }  # fmt: skip
    everything.api.post("/connections", body)
    try:
        page = opened(400)
        status, told = pages.press_test(page, HAND)
        assert (status, told["status"]) == (200, False)
        assert seen in told["message"]
        assert "secretsecret" not in told["message"]
        assert told["message"].startswith("powermta connection to") or "PowerMTA host" in told["message"]
        page.get_by_text(seen).first.wait_for()
    finally:
        everything.api.client.delete(f"/api/v2/connections/{HAND}").raise_for_status()
