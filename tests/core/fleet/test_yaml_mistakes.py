"""A file that is no YAML, or YAML that says something else than was meant: told at the line where the mistake is."""

import re
from pathlib import Path

import pytest

from email_engine.errors import InputError
from email_engine.fleet.config_file import LARGEST_FILE
from email_engine.fleet.read import read_fleet
from tests.core.fleet.test_parse_fleet import EXAMPLE, changed, line_of, mistakes

HOSTS = "version: 1\nmta_hosts:\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(f"{HOSTS}\t- name: a\n", "3: a tab at line 3 column 1; indent with blanks", id="a tab"),
        pytest.param(f"{HOSTS}  - name: a\n  \tconnection: b\n", "4: a tab at line 4 column 3; indent with blanks", id="a tab behind blanks"),
        pytest.param(f"{HOSTS}  -\tname: a\n    connection: b\n", "3: a tab at line 3 column 4; indent with blanks", id="a tab behind a dash"),
        pytest.param(f"{HOSTS}  - name: a\n    connection b\n    version: 5.0\n", "4: a colon is missing behind 'connection'", id="no colon in the middle"),
        pytest.param(f"{HOSTS}  - name a\n    connection: b\n", "3: a colon is missing behind 'name'", id="no colon in a first key"),
        pytest.param("version 1\nmta_hosts:\n", "1: a colon is missing behind 'version'", id="no colon in the first line"),
        pytest.param("mta_hosts\n\n# a comment\n  - name: a\n", "1: a colon is missing behind 'mta_hosts'", id="no colon before a list"),
        pytest.param("version: 1\nmta_hosts", "2: a colon is missing behind 'mta_hosts'", id="no colon in the last line"),
        pytest.param(f"{HOSTS}  - name:a\n    connection: b\n", "3: no blank behind the colon of 'name:'", id="no blank behind a colon"),
        pytest.param("title: Aurora: Travel\nb: 1\n", "1: the value 'Aurora: Travel' has a colon in it; allowed: such a value in quotes", id="a colon in a value"),
        pytest.param('a: 1\ntitle: "Aurora\nb: 1\n', "2: the quote that opens here never closes", id="a quote that never closes"),
        pytest.param('a: 1\ntitle: "Aurora\nb: "x{n}"\n', "2: the quote that opens here closes only at line 3", id="a quote that closes at the next one"),
        pytest.param("title: 'Aurora's'\n", "1: text behind the closing quote", id="an apostrophe"),
        pytest.param("a: 1\nhosts: [x, y\nv:\n  - z\n", "2: the [ that opens here never closes; allowed: a ]", id="a bracket"),
        pytest.param("a: 1\nhosts: [\n", "2: the [ that opens here never closes; allowed: a ]", id="a bracket and nothing"),
        pytest.param("a: 1\nstates: { a: 1, b: 2\nv: z\n", "2: the { that opens here never closes; allowed: a }", id="a brace"),
        pytest.param("domain: {prefix}{n}.x.example\nb: 1\n", "1: text behind a closing bracket: '{prefix}{n}.x.example'; allowed: such a value in quotes", id="a pattern without quotes"),
        pytest.param(f"{HOSTS}  - name: a\n     connection: b\n", "4: indented by 5 blanks, the line above it by 4", id="one blank too many"),
        pytest.param(f"{HOSTS}  - name: a\n   connection: b\n", "4: indented by 3 blanks, the line above it by 4", id="one blank too few"),
        pytest.param(" version: 1\nmta_hosts: x\n", "2: indented by 0 blanks, the line above it by 1", id="the first line indented"),
        pytest.param("a: @ops\n", "1: not YAML: found '@ops'; '@' at its start means something to YAML", id="an at sign"),
        pytest.param("a: *.example.com\n", "1: not YAML: found '*.example.com'", id="a wildcard"),
        pytest.param('a: "C:\\path"\n', "1: a backslash in double quotes", id="a backslash"),
        pytest.param("a: 1\n---\nb: 2\n", "2: a second document begins here", id="two documents"),
        pytest.param("a: 1\nb: \x07\n", "2: not YAML: the character '\\x07'", id="a bell"),
        pytest.param("", "1: the file is empty; allowed: a mapping: lines such as `key: value`", id="nothing"),
        pytest.param("# soon\n", "1: the file is empty", id="a comment alone"),
        pytest.param("- version: 1\n", "1: found a list; allowed: a mapping", id="a list"),
        pytest.param("fleet\n", "1: found text; allowed: a mapping", id="a word"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_told_where_it_is_wrong(text: str, told: str) -> None:
    (mistake,) = mistakes(text)
    assert mistake.startswith(f"fleet.yaml:{told}")


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s)#.*", "", line)


SPOILED = {
    "colon": (r"[\s-]*\w+:", lambda line: line.replace(":", "", 1)),
    "blank": (r"[\s-]*\w+: \S", lambda line: line.replace(": ", ":", 1)),
    "tab": (r" +\S", lambda line: "\t" + line.lstrip()),
    "quote": (r"[\s-]*\w+: [^\[{\"]", lambda line: re.sub(r":\s+", ': "', line, count=1)),
    "bracket": (r".*: \[.*\]", lambda line: line.replace("]", "", 1)),
    "brace": (r".*: \{.*\}", lambda line: line.replace("}", "", 1)),
}


@pytest.mark.parametrize("what", SPOILED)
def test_wherever_the_example_is_spoiled_that_line_is_named(what: str) -> None:
    fits, spoil = SPOILED[what]
    lines = EXAMPLE.splitlines()
    spoiled = [n for n, line in enumerate(lines) if re.match(fits, _without_comment(line))]
    assert spoiled
    for n in spoiled:
        text = "\n".join([*lines[:n], spoil(_without_comment(lines[n])), *lines[n + 1 :]])
        assert any(mistake.startswith(f"fleet.yaml:{n + 1}:") for mistake in mistakes(text)), lines[n]


def test_a_key_that_runs_on_as_text_of_the_one_above_is_told_at_its_own_line() -> None:
    text = changed("        consent: double opt-in", "          consent double opt-in")
    line = line_of(text, "consent double")
    assert f"fleet.yaml:{line}: tenants[0].streams[0].consent: a colon is missing behind 'consent'; allowed: key: value" in mistakes(text)  # fmt: skip


def test_a_text_may_still_run_over_two_lines() -> None:
    text = changed("purpose: weekly newsletter", "purpose: weekly\n          newsletter of the trips")
    assert not [m for m in _mistakes_or_none(text) if "colon" in m]


def _mistakes_or_none(text: str) -> list[str]:
    from email_engine.fleet.mistakes import FleetInvalid
    from email_engine.fleet.parse import parse_fleet

    try:
        parse_fleet(text, "fleet.yaml")
    except FleetInvalid as error:
        return [str(mistake) for mistake in error.mistakes]
    return []


@pytest.mark.parametrize(
    ("given", "seen", "such"),
    [
        ("30k", "'30k'", 30_000),
        ("2M", "'2M'", 2_000_000),
        ("30,000", "'30,000'", 30_000),
        ("30.000", "'30.000'", 30_000),
        ("3e4", "'3e4'", 30_000),
        ("about 5", "'about 5'", 100),
        ("'30000'", "found text '30000'", 30_000),
        ("99999999999k", "'99999999999k'", 100),
    ],
)
def test_a_number_that_is_none_shows_what_was_written_and_what_it_may_mean(
    given: str, seen: str, such: int
) -> None:
    (mistake, *_) = mistakes(changed("daily_quota: ", f"daily_quota: {given} # "))
    assert mistake.endswith(
        f"daily_quota: {seen}; allowed: a whole number such as {such}, from 1 to 1000000000"
    )


@pytest.mark.parametrize(("given", "seen"), [("", "found nothing"), ("[1]", "found a list"), ("yes", "found 'yes'")])  # fmt: skip
def test_what_is_no_text_at_all_is_named_by_its_kind(given: str, seen: str) -> None:
    (mistake, *_) = mistakes(changed("daily_quota: ", f"daily_quota: {given} # "))
    assert f"daily_quota: {seen}" in mistake


def test_a_word_of_a_flow_mapping_that_lost_its_colon_is_named() -> None:
    found = mistakes(changed("{ active: 1-40,", "{ active 1-40,"))
    assert any("'active 1-40': unknown key; a colon is missing behind 'active'" in m for m in found)


class TestFile:
    def test_a_file_that_is_not_utf_8_names_line_and_byte(self, tmp_path: Path) -> None:
        file = tmp_path / "fleet.yaml"
        file.write_bytes(b"version: 1\ntitle: Caf\xe9\n")
        with pytest.raises(InputError, match=r"fleet\.yaml: byte 21, 0xe9 in line 2, is not UTF-8"):
            read_fleet(file)

    def test_an_endless_file_is_refused_and_not_read(self) -> None:
        with pytest.raises(InputError, match=f"more than {LARGEST_FILE:,} bytes"):
            read_fleet(Path("/dev/zero"))

    def test_a_mark_at_the_start_and_windows_line_ends_are_no_mistake(self, tmp_path: Path) -> None:
        file = tmp_path / "fleet.yaml"
        file.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.replace("\n", "\r\n").encode())
        assert len(read_fleet(file).ips) == 100
