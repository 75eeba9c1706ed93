"""Files that nobody should give to `import` and `diff`, and somebody will."""

import os
from pathlib import Path

import pytest

from email_engine.cli import main
from email_engine.pmta.language.assembly import assemble
from email_engine.pmta.language.meaning import MOST_DOMAINS, expand, read_meaning
from tests.core.adoption.drafts import adopted
from tests.work import calls

VMTA = "<virtual-mta a>\n  smtp-source-host 192.0.2.1 m1.example.com\n</virtual-mta>\n"


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (VMTA.encode("utf-16"), "NUL bytes"),
        (bytes(range(256)) * 50, "NUL bytes"),
        (b"\x00" * 1000, "NUL bytes"),
    ],
    ids=["UTF-16", "binary", "zeros"],
)
def test_what_is_no_text_is_an_input_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: bytes, said: str
) -> None:
    path = tmp_path / "config"
    path.write_bytes(data)
    for words in (("import", path), ("diff", path, path)):
        code, out, err = run(capsys, *words)
        assert (code, out) == (2, "")
        assert said in err


def test_a_device_without_end_is_an_input_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "import", "/dev/zero")
    assert code == 2
    assert "is larger" in err
    assert run(capsys, "import", tmp_path)[0] == 2


def test_includes_of_anything_but_files_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "binary.conf").write_bytes(b"\x00")
    path = tmp_path / "config"
    names = (
        "pipe",
        "/dev/zero",
        "/",
        "",
        "\ufffd",
        "x" * 5000,
        "binary.conf",
        "b*.conf",
        "none*.conf",
        "con*",
    )
    path.write_text(VMTA + "".join(f"include {name}\n" for name in names))
    code, out, err = run(capsys, "import", path)
    assert code == 1
    assert "vmta: a" in out
    for name in ("pipe", "/dev/zero", "/", "binary.conf", "b*.conf", "con*"):
        assert f"include {name}: the file is not there, cannot be read or includes itself" in err
    assert "none*.conf" not in err


def test_files_that_include_themselves_under_ever_new_names_come_to_an_end(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    path = tmp_path / "config"
    path.write_text(VMTA + "include sub/../config\ninclude ./sub/../sub/../config\ninclude config\n")
    code, out, err = run(capsys, "import", path)
    assert (code, out.count("- address:")) == (1, 1)
    assert err.count("includes itself") == 3


def test_links_that_multiply_names_come_to_an_end() -> None:
    asked = 0

    def endless(value: str, file: str) -> list[tuple[str, str]]:
        nonlocal asked
        asked += 1
        return [(f"{file}/{value}", "include a\ninclude b\n")]

    assert 1 <= len(assemble("include a\ninclude b\n", "x", endless).found) <= 10_000
    assert asked <= 10_000


@pytest.mark.parametrize(
    "text",
    [
        VMTA.replace("\n", "\r\n"),
        VMTA.replace("\n", "\r"),
        "\ufeff" + VMTA,
        VMTA.replace(" ", "\t", 3),
        VMTA + VMTA,
    ],
    ids=["CRLF", "CR", "byte-order mark", "tabs", "twice"],
)
def test_how_a_file_is_written_changes_nothing(text: str) -> None:
    result = adopted(text)
    assert result.ips == 1
    assert "address: 192.0.2.1" in result.fleet


CHAIN = {f"m{n}": (f"$m{n + 1}.x", f"$m{n + 1}.y", f"$m{n + 1}") for n in range(60)}


@pytest.mark.parametrize(
    ("pattern", "macros", "expected"),
    [
        ("$a.$b", {"a": ("x", "y"), "b": ("1", "2")}, ("x.1", "x.2", "y.1", "y.2")),
        ("p.$a", {"a": ("$b", "z"), "b": ("1", "2")}, ("p.1", "p.2", "p.z")),
        ("$a", {"a": ("$b",), "b": ("$a",)}, ("$a",)),
        ("$a$a", {"a": ("$a$a",)}, ("$a$a$a$a",)),
        ("$gone.x", {}, ("$gone.x",)),
        ("$a", {"a": ()}, ("$a",)),
        ("$", {}, ("$",)),
        ("$$a", {"a": ("x",)}, ("$x",)),
        ("$a" * 20_000, {"a": ("b", "c")}, ("$a" * 20_000,)),
        ("$a", {"a": ("$" * 3_000,)}, ("$a",)),
        ("$a$a", {"a": ("x" * 900,)}, ("$a$a",)),
    ],
    ids=[
        "product",
        "nested",
        "circle",
        "self",
        "unknown",
        "empty",
        "dollar",
        "two dollars",
        "long",
        "dollars",
        "grows",
    ],
)
def test_macros_stand_for_domains(
    pattern: str, macros: dict[str, tuple[str, ...]], expected: tuple[str, ...]
) -> None:
    assert expand(pattern, macros) == expected


@pytest.mark.parametrize("end", [("a", "b"), (), ("$m0",)], ids=["domains", "nothing", "circle"])
def test_macros_that_explode_are_cut(end: tuple[str, ...]) -> None:
    found: list[str] = []
    assert calls(lambda: found.extend(expand("$m0", CHAIN | {"m60": end}))) < 200 * MOST_DOMAINS
    assert 1 <= len(found) <= MOST_DOMAINS


def test_a_chain_of_a_thousand_macros_is_read() -> None:
    text = (
        "".join(f"domain-macro m{n} $m{n + 1}\n" for n in range(1000))
        + "<domain $m0>\nmax-smtp-out 1\n</domain>\n"
    )
    assert len(read_meaning(assemble(text)).blocks) == 1


@pytest.mark.parametrize(
    "text",
    [
        "<smtp-pattern-list p>\nreply /a\\/b #c/ mode=backoff\nreply /" + "\\" * 9999 + "/ mode=backoff\n</smtp-pattern-list>",
        "<" * 50_000 + "\n<a " + " " * 50_000 + "\n" + "< " * 50_000,
        "<a>\n" * 20_000,
        "</a>\n" * 20_000,
        "x " * 50_000 + "<pattern-list>",
        f"<virtual-mta a>\nsmtp-source-host ::/0 m.example.com\nmax-smtp-msg-rate {'9' * 6000}/d\n</virtual-mta>",
        "".join(f"<source 10.{n >> 8}.{n & 255}.0/24>\nalways-allow-relaying yes\n</source>\n" for n in range(5000)),
        "<virtual-mta a>\n" + "smtp-source-host 192.0.2.1 m.example.com\n" * 20_000,
        "<virtual-mta a>\n" + "".join(f"domain-key s{n},e.example,/k\n" for n in range(2000)) + "</virtual-mta>",
        "".join(f"word{n} x\n" for n in range(50_000)),
        VMTA * 3000,
    ],
    ids=["regexes", "angles", "opening", "closing", "lead", "numbers", "sources", "hosts", "keys", "words", "same"],
)  # fmt: skip
def test_odd_texts_are_a_bounded_amount_of_work(text: str) -> None:
    """At most a few calls for each character; what one regular expression does alone is left to the suite's timeout."""
    assert calls(lambda: (adopted(text), read_meaning(assemble(text)))) < 20 * len(text) + 10_000
