"""A DAG triggered by its form, at a desk and on a phone."""

import pytest

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
