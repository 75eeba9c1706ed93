"""The plain form of a file: what a converter of line ends, an editor or a byte-order mark changes is no difference."""

import hashlib
import random
from pathlib import Path

import pytest

from email_engine.accounting import plain
from email_engine.accounting.copies import Content, content_of

BOM = b"\xef\xbb\xbf"
HEADER = b"type,timeLogged,rcpt,dsnDiag,dlvSourceIp,vmta"
ROWS = [
    HEADER,
    b'd,2026-11-01 10:15:00+0000,a@gmail.com,"smtp;250 two\r\nlines",198.51.100.1,aurora-1',
    b"",
    b"b,2026-11-01 10:16:00+0000,b@gmail.com,lone\rCR,198.51.100.1,aurora-1",
]
NATIVE = b"\r\n".join([*ROWS, b""])
FORMS = {
    "as PowerMTA writes it": NATIVE,
    "LF": NATIVE.replace(b"\r\n", b"\n"),
    "a byte-order mark": BOM + NATIVE,
    "LF and a byte-order mark": BOM + NATIVE.replace(b"\r\n", b"\n"),
    "mixed": NATIVE.replace(b"\r\n", b"\n", 2),
}


def plain_of(path: Path) -> bytes:
    return b"".join(plain.plain_blocks(path))


def content(folder: Path, data: bytes) -> Content:
    path = folder / "file"
    path.write_bytes(data)
    return content_of(path)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("block", [1, 2, 3, 7, 1 << 20])
def test_every_form_of_a_file_has_one_plain_form_however_it_is_cut_into_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: bytes, block: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(form)
    if not (form.startswith(BOM) and block < len(BOM)):
        monkeypatch.setattr(plain, "BLOCK", block)
    assert plain_of(path) == NATIVE


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_is_known_as_the_same_content(tmp_path: Path, form: bytes) -> None:
    assert content(tmp_path, form) == content(tmp_path, NATIVE)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_last_line_break_makes_a_twin(tmp_path: Path, form: bytes) -> None:
    whole, cut = content(tmp_path, form), content(tmp_path, form.removesuffix(b"\n").removesuffix(b"\r"))
    assert (cut.digest, cut.twin) == (whole.twin, whole.digest)
    assert whole.digest != whole.twin


def test_the_digest_of_what_powermta_wrote_is_that_of_its_bytes(tmp_path: Path) -> None:
    """What was taken by an earlier release is still known."""
    assert content(tmp_path, NATIVE).digest == hashlib.sha256(NATIVE).hexdigest()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_places_are_found_again_in_the_other_form(tmp_path: Path, form: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(form)
    for line in range(form.count(b"\n") + 1):
        begins = _line_begins(form, line)
        there = plain.plain_offset(path, begins)
        assert NATIVE[there:] == _plain_text(form[begins:] if begins else form)
        assert plain.raw_offset(path, there) == (begins or (len(BOM) if form.startswith(BOM) else 0))
    assert plain.plain_offset(path, len(form) + 9) == len(NATIVE)
    assert plain.raw_offset(path, len(NATIVE) + 9) == len(form)


def _line_begins(data: bytes, line: int) -> int:
    at = 0
    for _ in range(line):
        at = data.index(b"\n", at) + 1
    return at


def _plain_text(data: bytes) -> bytes:
    return data.removeprefix(BOM).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").removesuffix(b"\r")


def test_random_bytes_agree_with_the_short_definition(tmp_path: Path) -> None:
    chance = random.Random(7)
    path = tmp_path / "file"
    for _ in range(300):
        data = bytes(chance.choices(b'\r\n\n\r"a,', k=chance.randrange(0, 60)))
        path.write_bytes(data)
        assert plain_of(path) == _plain_text(data)
        for offset in range(len(data)):
            if data[:offset].endswith(b"\n"):
                there = plain.plain_offset(path, offset)
                assert (there, plain.raw_offset(path, there)) == (len(_plain_text(data[:offset])), offset)
