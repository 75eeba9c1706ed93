"""Knobs are described from their signatures, checked, and found by name."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Literal

import pytest

from lab.knobs import KnobError, Panel


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


def paint(
    thing: str,
    colour: Colour,
    coats: int = 1,
    thin_rate: float | None = None,
    tags: list[str] | None = None,
    finish: Literal["matt", "gloss"] = "matt",
    dry: bool = False,
) -> dict[str, Any]:
    """Paints a thing.

    This part is for programmers.
    """
    return {
        "thing": thing,
        "colour": colour,
        "coats": coats,
        "thin": thin_rate,
        "tags": tags,
        "finish": finish,
        "dry": dry,
    }


async def wait() -> str:
    """Waits."""
    return "waited"


def refuse() -> None:
    """Refuses."""
    raise ValueError("not today")


def lookup() -> None:
    """Looks something up in vain."""
    raise KeyError("nothing there")


def slow_of(host: str) -> Callable[[float], str]:
    def slow(seconds: float = 1.0) -> str:
        """Slows a host."""
        return f"{host} {seconds}"

    return slow


@pytest.fixture
def panel() -> Panel:
    made = Panel()
    made.add("dns", {"paint": paint, "wait": wait, "refuse": refuse, "lookup": lookup})
    for host in ("mta-1", "mta-2"):
        made.add("powermta", {"slow": slow_of(host)}, host)
    made.add("mailwizz", {"slow": lambda: "slow web", "crash": lambda: "crashed"}, "mw-aurora")
    return made


def turn(panel: Panel, name: str, **arguments: Any) -> Any:
    return asyncio.run(panel.turn(name, arguments))


def test_a_knob_is_described_from_its_signature(panel: Panel) -> None:
    described = {knob["name"]: knob for knob in panel.describe()}["paint"]
    assert described["help"] == "Paints a thing."
    assert [each["allowed"] for each in described["parameters"]] == [
        "text",
        "red | blue",
        "whole number",
        "number",
        "list of text",
        "matt | gloss",
        "true | false",
    ]
    assert [each["required"] for each in described["parameters"]] == [True, True] + [False] * 5
    assert described["parameters"][5]["default"] == "matt"


def test_values_come_as_json_or_as_words_of_a_command_line(panel: Panel) -> None:
    by_json = turn(
        panel, "paint", thing="door", colour="red", coats=2, thin_rate=0.5, tags=["a", "b"], dry=True
    )
    by_words = turn(
        panel, "paint", thing="door", colour="red", coats="2", thin_rate="0.5", tags="a, b", dry="true"
    )
    assert by_json == by_words
    assert by_json["colour"] is Colour.RED


def test_null_is_a_value_where_it_is_allowed(panel: Panel) -> None:
    assert turn(panel, "paint", thing="door", colour="red", thin_rate=None)["thin"] is None


def test_every_wrong_argument_is_told_with_what_is_allowed(panel: Panel) -> None:
    with pytest.raises(KnobError) as error:
        turn(panel, "paint", colour="green", coats="many", brush="big")
    for told in (
        "thing is missing: text",
        "colour is 'green', allowed: red | blue",
        "coats is 'many', allowed: whole number",
        "no parameter 'brush'; there are: thing, colour",
    ):
        assert told in str(error.value)


def test_an_unknown_knob_lists_what_there_is(panel: Panel) -> None:
    with pytest.raises(KnobError, match=r"there is no knob pain; choose: .*paint"):
        turn(panel, "pain")


def test_an_asynchronous_knob_is_awaited(panel: Panel) -> None:
    assert turn(panel, "wait") == "waited"


@pytest.mark.parametrize(
    ("name", "told"), [("refuse", "refuse: not today"), ("lookup", "lookup: nothing there")]
)
def test_a_refusal_is_told_in_the_knob_s_words(panel: Panel, name: str, told: str) -> None:
    with pytest.raises(KnobError, match=f"^{told}$"):
        turn(panel, name)


def test_knobs_of_several_hosts_are_one_with_the_host_as_parameter(panel: Panel) -> None:
    described = {knob["name"]: knob for knob in panel.describe()}
    assert described["powermta.slow"]["parameters"][0] == {
        "name": "host",
        "allowed": "mta-1 | mta-2",
        "required": True,
    }
    assert turn(panel, "powermta.slow", host="mta-2") == "mta-2 1.0"
    with pytest.raises(KnobError, match="host is missing; there are: mta-1, mta-2"):
        turn(panel, "powermta.slow")
    with pytest.raises(KnobError, match="host 'mta-3' is unknown"):
        turn(panel, "powermta.slow", host="mta-3")


def test_a_single_instance_need_not_be_named(panel: Panel) -> None:
    assert turn(panel, "crash") == turn(panel, "crash", mailwizz="mw-aurora") == "crashed"


def test_a_name_that_two_parts_use_must_be_qualified(panel: Panel) -> None:
    with pytest.raises(KnobError, match=r"several knobs are slow; choose: mailwizz\.slow, powermta\.slow"):
        turn(panel, "slow")
    assert turn(panel, "mailwizz.slow") == "slow web"
    assert turn(panel, "dns.wait") == "waited"
