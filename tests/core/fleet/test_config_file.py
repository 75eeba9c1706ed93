"""How a configuration file is read: what its sections give, and what they note when it is missing or wrong."""

from enum import StrEnum
from pathlib import Path

import pytest

from email_engine.errors import InputError
from email_engine.fleet import names
from email_engine.fleet.config_file import load_config, parse_config, parse_part, read_text
from email_engine.fleet.document import Section
from email_engine.fleet.mistakes import FileInvalid, Mistakes
from email_engine.fleet.scalars import between

RATIO = between(0, 1, "a ratio from 0 to 1")


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


def _read(top: Section) -> object:
    top.only("parts", "share", "hosts", "colour", "free", "rows")
    part = top.part("parts", "size", "kind")
    found = (
        part.number("size", 1, 9), part.text("kind", names.name, "plain"), top.real("share", RATIO, 0.5),
        top.texts("hosts", names.name, needed="one or more hosts"), top.choice("colour", Colour, Colour.BLUE),
        top.part("free", needed=False).given(),
    )  # fmt: skip
    earlier: list[str] = []
    for row in top.sections("rows") if top.has("rows") else ():
        row.once("name", row.text("name", names.name), earlier)
        earlier.append(row.text("name", names.name))
    return found


WHOLE = "parts: { size: 3 }\nhosts: [a]\n"


def test_what_is_left_out_has_its_default() -> None:
    assert parse_config(WHOLE, "f.yaml", _read) == (3, "plain", 0.5, ("a",), Colour.BLUE, ())
    more = "share: 1\ncolour: red\nfree: { x: 1, y: 2 }\n"
    assert parse_config(WHOLE + more, "f.yaml", _read) == (3, "plain", 1.0, ("a",), Colour.RED, ("x", "y"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("hosts: [a]\n", ["1: parts: missing; allowed: a mapping of size, kind"], id="no part: its keys are not missed"),
        pytest.param("parts: 3\nhosts: [a]\n", ["1: parts: found a number; allowed: a mapping"], id="a part that is none"),
        pytest.param("parts: { sise: 3 }\nhosts: [a]\n", ["1: parts.sise: unknown key; allowed: did you mean 'size'? One of kind, size"], id="a misspelt key is not missed too"),
        pytest.param("parts: { sise: 3, colour: 1 }\nhosts: [a]\n", ["1: parts.sise: unknown key; allowed: did you mean 'size'? One of kind, size", "1: parts.colour: unknown key; allowed: one of kind, size"], id="one of two is near"),
        pytest.param("parts: { colour: 3 }\nhosts: [a]\n", ["1: parts.colour: unknown key; allowed: one of kind, size", "1: parts.size: missing; allowed: a whole number from 1 to 9"], id="an unknown key that is near none"),
        pytest.param("prats: { size: 3 }\nhosts: [a]\n", ["1: prats: unknown key; allowed: did you mean 'parts'? One of colour, free, hosts, parts, rows, share"], id="a misspelt part"),
        pytest.param("parts: { size: 3 }\n", ["1: hosts: missing; allowed: one or more hosts"], id="no list"),
        pytest.param("parts: { size: 3 }\nhosts: []\n", ["2: hosts: an empty list; allowed: one or more hosts"], id="an empty list"),
        pytest.param(WHOLE + "colour: rde\n", ["3: colour: 'rde'; allowed: did you mean 'red'? One of blue, red"], id="no such choice"),
        pytest.param(WHOLE + "rows: [ { name: a }, { name: b },\n  { name: a } ]\n", ["4: rows[2].name: a stands twice; allowed: each once"], id="twice"),
        *(
            pytest.param(f"{WHOLE}share: {wrong}\n", [f"3: share: {told}; allowed: a ratio from 0 to 1"], id=f"share {wrong}")
            for wrong, told in [
                ("1.01", "'1.01'"), (".nan", "'.nan'"), ("nan", "'nan'"), (".inf", "'.inf'"), ("-0.1", "'-0.1'"), ("5%", "'5%'"),
                ("1e999", "'1e999'"), ("٠.٥", "'٠.٥'"), ("2026-05-01", "'2026-05-01'"), ("[1]", "found a list"), ("", "found nothing"),
                ("9" * 5000, "'" + "9" * 80 + "'... (5,000 characters)"),
            ]
        ),
    ],
)  # fmt: skip
def test_every_slip_is_one_mistake_in_its_line(text: str, told: list[str]) -> None:
    with pytest.raises(FileInvalid) as caught:
        parse_config(text, "f.yaml", _read)
    assert [str(mistake) for mistake in caught.value.mistakes] == [f"f.yaml:{line}" for line in told]
    assert str(caught.value).endswith("Next: correct every line above and check the file again")


def test_files_that_belong_together_tell_their_mistakes_together() -> None:
    mistakes = Mistakes()
    assert parse_part(WHOLE, "good.yaml", mistakes, _read)
    assert parse_part("[]", "list.yaml", mistakes, _read) is None
    assert parse_part("hosts: [A]", "f.yaml", mistakes, _read)
    assert [mistake.place.short for mistake in mistakes.found] == ["list.yaml:1", "f.yaml:1", "f.yaml:1"]


def test_a_file_that_cannot_be_read_says_what_chose_it(tmp_path: Path) -> None:
    for variable, step in (
        ("", "check the path and its permissions"),
        ("EXAMPLE_FILE", "correct EXAMPLE_FILE or the file"),
    ):
        with pytest.raises(InputError, match=f"No such file.*expected a readable example. Next: {step}"):
            read_text(tmp_path / "none.yaml", "example", variable)
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
    assert load_config(tmp_path / "f.yaml", "example", _read)
    (tmp_path / "f.yaml").write_bytes(b"\xff\xfea\x00")
    with pytest.raises(InputError, match="byte 0, 0xff in line 1, is not UTF-8"):
        load_config(tmp_path / "f.yaml", "example", _read)
