"""What a person does in Airflow's pages, with the names that the pages show."""

from typing import Any

from playwright.sync_api import Locator, Page

OUTSIDE = """() => [...document.querySelectorAll('[role=dialog] input, [role=dialog] textarea, [role=dialog] button')]
    .filter(one => one.offsetParent !== null && getComputedStyle(one).clip === 'auto' && one.offsetWidth > 1)
    .map(one => [one.name || one.id || one.innerText || one.ariaLabel, one.getBoundingClientRect()])
    .filter(([, box]) => box.left < 0 || box.right > innerWidth + 1)
    .map(([name, box]) => `${name}: ${Math.round(box.left)} to ${Math.round(box.right)}`)"""


def log_in(page: Page, address: str, password: str) -> None:
    page.goto(f"{address}/auth/login?next=%2Fconnections")
    page.locator("input[name=username]").fill("admin")
    page.locator("input[name=password]").fill(password)
    page.keyboard.press("Enter")
    page.get_by_text("email_engine_db", exact=True).wait_for()


def rows(page: Page) -> list[str]:
    cells = page.locator("tbody [data-testid=table-cell-connection_id]")
    return [text.strip() for text in cells.all_inner_texts()]


def row(page: Page, conn_id: str) -> Locator:
    return page.locator("tr", has=page.get_by_text(conn_id, exact=True))


def press(page: Page, button: Locator) -> None:
    """By the keyboard: tooltips and notices of the buttons before lie over this one for some seconds."""
    page.mouse.move(1, 1)
    button.press("Enter")


def press_test(page: Page, conn_id: str) -> tuple[int, dict[str, Any]]:
    """The list's test button: status and answer."""
    with page.expect_response(lambda answer: answer.url.endswith("/connections/test")) as waiting:
        press(page, row(page, conn_id).get_by_label("Test Connection"))
    return waiting.value.status, waiting.value.json()


def open_form(page: Page, conn_id: str | None = None) -> Locator:
    """The form of a stored connection, or of a new one."""
    if conn_id is None:
        press(page, page.get_by_role("button", name="Add Connection"))
    else:
        press(page, row(page, conn_id).get_by_label("Edit Connection"))
    form = page.get_by_role("dialog")
    form.locator("[name=connection_id]").wait_for()
    return form


def choose_type(page: Page, form: Locator, title: str) -> None:
    form.get_by_role("combobox").first.click()
    page.keyboard.type(title)
    page.get_by_role("option", name=title, exact=True).click()
    form.get_by_text("Extra Fields", exact=True).wait_for()


def extra_fields(form: Locator) -> dict[str, str]:
    """The extra fields that the form shows, with their values."""
    form.get_by_role("button", name="Extra Fields", exact=True).click()
    fields = form.locator("[id^=element_], input[name^=element_]")
    fields.first.wait_for(state="attached")
    return {
        str(one.get_attribute("name")).removeprefix("element_"): one.input_value()
        for one in fields.all()
        if one.get_attribute("name")
    }


def save(page: Page, form: Locator) -> int:
    with page.expect_response(
        lambda answer: "/connections" in answer.url and answer.request.method in ("POST", "PATCH")
    ) as waiting:
        form.get_by_role("button", name="Save").click()
    form.wait_for(state="detached")
    return waiting.value.status
