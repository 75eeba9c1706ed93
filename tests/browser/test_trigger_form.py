"""A DAG triggered by its form, at a desk and on a phone."""

import pytest
from playwright.sync_api import expect

from tests.browser import pages
from tests.browser.conftest import Opened
from tests.stack_fixtures import Everything

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.mark.parametrize("width", [1280, 400])
def test_a_dry_run_of_a_stop_starts_from_the_form(everything: Everything, opened: Opened, width: int) -> None:
    page = opened(width)
    page.goto(f"{everything.settings.address}/dags/emergency_stop")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    form.locator("[name=element_name]").wait_for()
    assert page.evaluate(pages.OUTSIDE) == []
    form.get_by_role("combobox").first.click()
    page.get_by_role("option", name="tenant", exact=True).click()
    form.locator("[name=element_name]").fill("aurora")
    form.locator("[name=element_reason]").fill("looks only")
    form.locator("label", has=page.locator("[name=element_dry_run]")).click()
    with page.expect_response(
        lambda answer: answer.url.endswith("/dagRuns") and answer.request.method == "POST"
    ) as waiting:
        form.get_by_role("button", name="Trigger", exact=True).click()
    run = waiting.value.json()
    assert {"scope": "tenant", "name": "aurora", "reason": "looks only", "dry_run": True}.items() <= run[
        "conf"
    ].items()
    assert everything.wait("emergency_stop", run["dag_run_id"])["state"] == "success"
    assert everything.tasks("emergency_stop", run["dag_run_id"])["brake[-1]"] == "skipped"


NEW_IPS = {
    "tenant": "aurora", "stream": "newsletter", "range": "198.51.100.211-212", "hostname": "mail{n}.aurora-mail.example",
    "domain": "news{n}.borealis-mail.example",
}  # fmt: skip


@pytest.mark.parametrize("width", [1280, 400])
def test_a_form_of_new_ips_names_what_it_needs_and_a_mistake_in_a_dry_run_is_red(
    everything: Everything, opened: Opened, width: int
) -> None:
    page = opened(width)
    page.goto(f"{everything.settings.address}/dags/fleet_onboard")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    form.locator("[name=element_range]").wait_for()
    send = form.get_by_role("button", name="Trigger", exact=True)
    for key, value in NEW_IPS.items():
        expect(send).to_be_disabled()
        form.locator(f"[name=element_{key}]").fill(value)
    expect(send).to_be_enabled()
    assert page.evaluate(pages.OUTSIDE) == []
    with page.expect_response(
        lambda answer: answer.url.endswith("/dagRuns") and answer.request.method == "POST"
    ) as waiting:
        send.click()
    run = waiting.value.json()["dag_run_id"]
    assert everything.wait("fleet_onboard", run)["state"] == "failed"
    assert everything.tasks("fleet_onboard", run)["plan[-1]"] == "failed"
    page.goto(f"{everything.settings.address}/dags/fleet_onboard/runs/{run}/tasks/plan")
    expect(page.get_by_text("belongs to tenant borealis").first).to_be_visible()
