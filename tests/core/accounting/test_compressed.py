"""Compressed files are read within bounds; JSON and hidden recipients are refused by name."""

import gzip
import json
from pathlib import Path

import pytest

from email_engine.accounting import unpack
from email_engine.accounting.names import EntryKind, oddness
from email_engine.accounting.summarize import Summary, summarize
from email_engine.accounting.unpack import unpacked
from email_engine.cli import main
from email_engine.errors import InputError
from email_engine.fleet.providers import shipped_providers

HEADER = b"type,timeLogged,rcpt,dlvSourceIp,vmta\r\n"


def row(recipient: str, kind: str = "d") -> bytes:
    return f"{kind},2026-11-01 10:00:00+0000,{recipient},192.0.2.1,v1\r\n".encode()


PLAIN = HEADER + b"".join(row(f"a{n}@gmail.com") for n in range(50))


def write(folder: Path, content: bytes, name: str = "acct.csv.gz") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def read(path: Path) -> Summary:
    return summarize(path, path.name, shipped_providers())


def ingest(capsys: pytest.CaptureFixture[str], *paths: Path) -> tuple[int, str]:
    code = main(["ingest", "--json", *map(str, paths)])
    out, err = capsys.readouterr()
    return code, out or err


class TestCompressed:
    def test_the_command_reads_it_like_the_plain_one(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, packed = ingest(capsys, write(tmp_path, gzip.compress(PLAIN)))
        _, plain = ingest(capsys, write(tmp_path, PLAIN, "acct.csv"))
        assert code == 0
        assert json.loads(packed)["rows"] == json.loads(plain)["rows"]
        assert json.loads(packed)["records"] == 50

    def test_it_is_a_copy_of_the_plain_one(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        both = write(tmp_path, gzip.compress(PLAIN)), write(tmp_path, PLAIN, "acct.csv")
        assert json.loads(ingest(capsys, *both)[1])["records"] == 50

    def test_several_parts_and_another_name_are_read(self, tmp_path: Path) -> None:
        path = write(tmp_path, gzip.compress(PLAIN[:99]) + gzip.compress(PLAIN[99:]), "acct.csv")
        assert unpacked(path, tmp_path, "x").read_bytes() == PLAIN

    def test_a_plain_file_stays_where_it_is(self, tmp_path: Path) -> None:
        path = write(tmp_path, PLAIN, "acct.csv.gz")
        assert unpacked(path, tmp_path, "x") == path

    @pytest.mark.parametrize(
        "content",
        [
            gzip.compress(PLAIN)[:-9],
            gzip.compress(PLAIN)[:30],
            gzip.compress(PLAIN) + b"junk",
            b"\x1f\x8b",
            b"\x1f\x8b\x08" + b"\xff" * 40,
        ],
        ids=["its end is missing", "hardly begun", "junk behind it", "a head alone", "no gzip at all"],
    )
    def test_a_damaged_one_is_refused(
        self, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, said = ingest(capsys, write(tmp_path, content))
        assert code == 2
        assert "gzip is damaged or cut off" in said

    def test_a_bomb_is_refused_and_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(unpack, "ALWAYS", 2 << 20)
        path = write(tmp_path, gzip.compress(HEADER + b"\n" * (8 << 20)))
        folder = tmp_path / "folder"
        folder.mkdir()
        with pytest.raises(InputError, match="unpacks to more than 2 MB"):
            unpacked(path, folder, "acct.csv.gz")
        assert list(folder.iterdir()) == []

    def test_the_folder_takes_its_name(self) -> None:
        assert oddness("acct-2026-11-01-0000.csv.gz", EntryKind.FILE) is None
        assert oddness("-acct.csv.gz", EntryKind.FILE) == "its name begins with a dash"
        assert oddness("notes.gz", EntryKind.FILE) is None


class TestRefusedByName:
    @pytest.mark.parametrize("content", [b'{"type":"d"}\n', b'[{"type":"d"}]', b'\xef\xbb\xbf  {"a":1}'])
    def test_json_of_a_webhook(self, tmp_path: Path, content: bytes) -> None:
        with pytest.raises(InputError, match="webhook") as caught:
            read(write(tmp_path, content, "acct.csv"))
        assert "without http-webhook-url" in str(caught.value)

    def test_json_in_the_folder(self) -> None:
        assert "http-webhook-url" in (oddness("webhook-0001.json", EntryKind.FILE) or "")
        assert oddness("old.json", EntryKind.DIRECTORY) is None

    @pytest.mark.parametrize(
        "local",
        [lambda n: f"{n:016x}", lambda n: f"{n:064x}", lambda n: "..."],
        ids=["siphash", "hmac-sha256", "redact"],
    )
    def test_hidden_recipients(self, tmp_path: Path, local) -> None:
        rows = b"".join(row(f"{local(n)}@gmail.com", "b") for n in range(3))
        with pytest.raises(InputError, match="privacy-policy"):
            read(write(tmp_path, HEADER + rows, "acct.csv"))

    @pytest.mark.parametrize("names", [["0" * 16, "1" * 16], ["0" * 16] * 9 + ["anna"], ["deadbeef"] * 9, []])
    def test_what_only_looks_like_them_is_read(self, tmp_path: Path, names: list[str]) -> None:
        rows = b"".join(row(f"{name}@gmail.com") for name in names)
        assert read(write(tmp_path, HEADER + rows, "acct.csv")).records == len(names)
