"""`make secrets`: made once, whole, and read by nobody else."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from stack.compose.__main__ import main
from stack.compose.secret_files import SecretsRefused, container_user, hand_over, make_secrets
from tests.compose.compose_file import ROOT

REDIS = {"redis.conf", "redis_password", "celery_broker_url"}


def test_they_are_made_once_and_stay(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    made = make_secrets(folder)
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(made) == set(before)
    assert make_secrets(folder) == []
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


def test_nobody_else_reads_them_even_where_files_are_open_to_all(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        make_secrets(tmp_path / "secrets")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()} == {0o600}


def test_files_of_one_login_hold_the_same_password_and_no_two_logins_do(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    text = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert text["redis.conf"] == f"requirepass {text['redis_password']}\n"
    assert text["celery_broker_url"] == f"redis://:{text['redis_password']}@redis:6379/0"
    assert text["celery_result_backend"] == f"db+{text['airflow_database_url']}"
    words = {
        name: re.sub(r".*:([^:@]+)@.*", r"\1", value.strip()).removeprefix("requirepass ")
        for name, value in text.items()
    }
    assert len(set(words.values())) == len(words) - 3
    assert all(len(word) >= 16 for word in words.values())
    assert not any("\n" in value.strip() for value in text.values())
    Fernet(text["fernet_key"])


def test_two_installations_share_nothing(tmp_path: Path) -> None:
    for name in ("one", "other"):
        make_secrets(tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_text() != (tmp_path / "other" / path.name).read_text(), path.name


@pytest.mark.parametrize("lost", sorted(REDIS))
def test_half_a_login_is_not_made_whole_with_another_password(tmp_path: Path, lost: str) -> None:
    make_secrets(tmp_path)
    (tmp_path / lost).unlink()
    (tmp_path / "jwt_secret").unlink()
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(SecretsRefused) as caught:
        make_secrets(tmp_path)
    text = str(caught.value)
    assert f"{lost} is missing" in text
    assert "Next: put it back from your backup" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == before, (
        "nothing is written when anything is refused"
    )


def test_a_login_that_is_gone_as_a_whole_is_made_anew_beside_what_stays(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    kept = (tmp_path / "fernet_key").read_text()
    for name in REDIS:
        (tmp_path / name).unlink()
    assert set(make_secrets(tmp_path)) == REDIS
    assert (tmp_path / "fernet_key").read_text() == kept


def test_the_containers_run_as_the_caller_and_never_as_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for caller, expected in ((1234, 1234), (0, 50000)):
        monkeypatch.setattr(os, "geteuid", lambda caller=caller: caller)
        file = tmp_path / f"{caller}.env"
        file.write_text("EMAIL_ENGINE_PORT=9000\n")
        assert container_user(file) == expected
        assert file.read_text() == f"EMAIL_ENGINE_PORT=9000\nEMAIL_ENGINE_UID={expected}\n"
        assert container_user(file) == expected
        assert file.read_text().count("EMAIL_ENGINE_UID") == 1


@pytest.mark.parametrize("value", ["0", "root", "", "-1", "1000:0", "٣"])
def test_another_user_in_the_environment_file_must_be_a_number_and_not_root(
    tmp_path: Path, value: str
) -> None:
    file = tmp_path / ".env"
    file.write_text(f"EMAIL_ENGINE_UID={value}\n")
    with pytest.raises(SecretsRefused, match="a user who is not root"):
        container_user(file)


def test_secrets_of_somebody_else_are_named_with_the_command_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_secrets(tmp_path)
    stranger = os.stat(tmp_path).st_uid + 7
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    with pytest.raises(SecretsRefused, match=f"sudo chown -R {stranger}"):
        hand_over(tmp_path, stranger)


def test_open_files_are_closed_again(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    (tmp_path / "jwt_secret").chmod(0o644)
    hand_over(tmp_path, os.stat(tmp_path).st_uid)
    assert stat.S_IMODE((tmp_path / "jwt_secret").stat().st_mode) == 0o600


def test_it_needs_nothing_but_python(tmp_path: Path) -> None:
    """A host with Docker has no virtual environment of ours."""
    bare = [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['', 'secrets']; "
            "import runpy; runpy.run_module('stack.compose', run_name='__main__')"]  # fmt: skip
    done = subprocess.run(bare, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "secrets" / "fernet_key").exists()
    assert stat.S_IMODE((tmp_path / "fleet").stat().st_mode) == 0o755
    assert (tmp_path / "fleet").stat().st_uid == (tmp_path / "secrets").stat().st_uid, "lab-init writes there"
    assert "put your fleet.yaml into fleet/" in done.stdout
    for path in (tmp_path / "secrets").iterdir():
        assert path.read_text().strip() not in done.stdout + done.stderr


def test_a_refusal_is_one_sentence_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "redis_password").write_text("old")
    assert main(["secrets"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
