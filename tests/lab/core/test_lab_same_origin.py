"""Who may speak to the lab's control: programs and pages of this machine, and no page of somebody else."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.control import control_app
from lab.run import Lab
from lab.world import parse_world

OURS = "http://127.0.0.1:8090"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def turned() -> list[str]:
    return []


@pytest.fixture
def lab(tmp_path: Path, turned: list[str]) -> Lab:
    made = Lab(parse_world({"state": str(tmp_path)}))

    def mark(word: str = "hello") -> None:
        """Notes a word."""
        turned.append(word)

    made.panel.add("test", {"mark": mark})
    return made


def ask(lab: Lab, method: str, headers: dict[str, Any], path: str = "/knobs/mark") -> httpx.Response:
    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(control_app(lab))
        async with httpx.AsyncClient(transport=transport, base_url=OURS) as client:
            body = b'{"word": "evil"}' if method == "POST" else None
            return await client.request(method, path, headers=headers, content=body)

    return asyncio.run(request())


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="a program"),
        pytest.param({"Host": "localhost:8090"}, id="by name"),
        pytest.param({"Host": "LOCALHOST:8090"}, id="by a name in capitals"),
        pytest.param({"Host": "[::1]:8090"}, id="by the other loopback"),
        pytest.param({"Origin": "http://127.0.0.1:8090", "Sec-Fetch-Site": "same-origin"}, id="our own page"),
        pytest.param({"Content-Type": "application/json; charset=UTF-8"}, id="with a charset"),
    ],
)
def test_who_is_of_this_machine_is_served(lab: Lab, turned: list[str], headers: dict[str, str]) -> None:
    assert ask(lab, "POST", JSON | headers).status_code == 200
    assert turned == ["evil"]


@pytest.mark.parametrize(
    ("headers", "status", "told"),
    [
        ({"Host": "evil.example"}, 403, "Host: 'evil.example'; allowed: 127.0.0.1:8090"),
        ({"Host": "evil.example:8090"}, 403, "Host: 'evil.example:8090'"),
        ({"Host": "127.0.0.1.evil.example:8090"}, 403, "Host: "),
        ({"Host": "localhost.:8090"}, 403, "Host: "),
        ({"Host": "127.0.0.1"}, 403, "Host: "),
        ({"Host": "127.0.0.1:8091"}, 403, "Host: "),
        ({"Host": "127.0.0.1:8090@evil.example"}, 403, "Host: "),
        ({"Host": ""}, 403, "Host: "),
        ({"Host": "0.0.0.0:8090"}, 403, "Host: "),
        ({"Origin": "http://evil.example"}, 403, "Origin: 'http://evil.example'; allowed: none, or"),
        ({"Origin": "null"}, 403, "Origin: 'null'"),
        ({"Origin": ""}, 403, "Origin: "),
        ({"Origin": "http://127.0.0.1:8080"}, 403, "Origin: "),
        ({"Origin": "https://127.0.0.1:8090"}, 403, "Origin: "),
        ({"Origin": "http://127.0.0.1:8090.evil.example"}, 403, "Origin: "),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "Sec-Fetch-Site: 'cross-site'"),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}, 403, "Sec-Fetch-Site: "),
        ({"Content-Type": "text/plain"}, 415, "Content-Type: 'text/plain'; allowed: application/json"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "Content-Type: "),
        ({"Content-Type": "text/plain; application/json"}, 415, "Content-Type: "),
        ({"Content-Type": "application/jsonp"}, 415, "Content-Type: "),
        ({"Content-Type": ""}, 415, "Content-Type: none"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_who_is_not_changes_nothing_and_hears_why(
    lab: Lab, turned: list[str], headers: dict[str, str], status: int, told: str
) -> None:
    answer = ask(lab, "POST", JSON | headers)
    assert answer.status_code == status
    assert told in answer.json()["error"]
    assert turned == []


@pytest.mark.parametrize("headers", [{"Host": "evil.example:8090"}, {"Origin": "null"}])
def test_reading_is_guarded_too(lab: Lab, headers: dict[str, str]) -> None:
    assert ask(lab, "GET", headers, "/state").status_code == 403


def test_a_link_to_our_page_may_be_followed_from_anywhere(lab: Lab) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert ask(lab, "GET", link, "/").status_code == 200
    assert ask(lab, "GET", {"Sec-Fetch-Site": "cross-site"}, "/state").status_code == 403
    assert ask(lab, "POST", {"Host": "evil.example"}, "/nothing").status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "lab:8090"}, 200),
        ({"Host": "LAB:8090", "Origin": "http://lab:8090"}, 200),
        ({"Host": "127.0.0.1:8090"}, 200),
        ({"Host": "lab"}, 403),
        ({"Host": "lab:8091"}, 403),
        ({"Host": "lab.evil.example:8090"}, 403),
        ({"Host": "evil.example:8090"}, 403),
        ({"Host": "lab:8090", "Origin": "http://evil.example"}, 403),
        ({"Host": "lab:8090", "Origin": "http://lab:8080"}, 403),
    ],
    ids=str,
)
def test_a_name_that_the_lab_was_told_counts_as_its_own_and_no_other(
    lab: Lab, turned: list[str], headers: dict[str, str], status: int
) -> None:
    assert ask(lab, "POST", JSON | {"Host": "lab:8090"}).status_code == 403
    lab.control_names = ("lab",)
    assert ask(lab, "POST", JSON | headers).status_code == status
    assert bool(turned) is (status == 200)
