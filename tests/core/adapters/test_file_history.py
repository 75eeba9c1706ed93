"""Who changed a file last, told no more surely than it is known."""

import getpass
import subprocess
from pathlib import Path

import pytest

from email_engine.adapters.file_history import LONGEST, last_change


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A fleet file in a git repository, committed by Ada."""
    path = tmp_path / "fleet.yaml"
    path.write_text("version: 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "fleet.yaml")
    git(tmp_path, "-c", "user.name=Ada\tthe `first`", "-c", "user.email=a@example.com", "commit", "-qm", "x")
    return path


def test_a_committed_file_names_its_author(kept: Path) -> None:
    said = last_change(kept)
    assert said.startswith("commit ")
    assert " by Ada the `first`, 20" in said


def test_changes_that_nobody_committed_are_not_put_down_to_the_author(kept: Path) -> None:
    kept.write_text("version: 2\n")
    said = last_change(kept)
    assert said.startswith("saved 20")
    assert "with changes since commit" in said
    assert len(said) <= LONGEST


def test_without_git_it_is_the_time_and_the_owner_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text("version: 1\n")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert last_change(path).endswith(f"UTC, a file of {getpass.getuser()}")
    monkeypatch.setenv("PATH", "")
    assert last_change(path).startswith("saved 20")


@pytest.mark.parametrize("path", ["/no/such/fleet.yaml", "a\0b"])
def test_what_is_not_there_was_changed_by_nobody(path: str) -> None:
    assert last_change(Path(path)) == ""
