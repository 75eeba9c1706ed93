"""deploy/email-engine-keys by itself: which keys it lets go."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from email_engine.paths import ROOT

SCRIPT = ROOT / "deploy/email-engine-keys"
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
NOT_ALLOWED, IN_USE, DONE = 2, 4, 0


@pytest.fixture
def say(tmp_path: Path) -> Callable[[str], int]:
    (tmp_path / "pmta" / "dkim").mkdir(parents=True)
    (tmp_path / "pmta" / "config").write_text("include /etc/pmta/vmtas.conf\n")

    def said(verb: str) -> int:
        folder = tmp_path / "pmta" / "dkim"
        env = {"PATH": os.environ["PATH"], "SSH_ORIGINAL_COMMAND": f"{verb} {folder}/a.pem"}
        command = ["sh", str(SCRIPT), str(folder), str(tmp_path / "pmta")]
        return subprocess.run(command, env=env, capture_output=True, timeout=60).returncode

    return said


@pytest.mark.parametrize(
    "named",
    [
        lambda pmta, line: (pmta / "config").write_text(line),
        lambda pmta, line: (pmta / "vmtas.inc").write_text(line),
        lambda pmta, line: (pmta / "odd.conf").write_bytes(b"# \0\n" + line.encode()),
        lambda pmta, line: ((pmta.parent / "elsewhere").write_text(line), (pmta / "vmtas.conf").symlink_to(pmta.parent / "elsewhere")),
    ],
    ids=["config", "another ending", "with a NUL", "through a link"],
)  # fmt: skip
def test_a_key_that_any_included_file_may_name_stays(
    tmp_path: Path, say: Callable[[str], int], named: Callable[[Path, str], object]
) -> None:
    key = tmp_path / "pmta" / "dkim" / "a.pem"
    assert say("make-key") == DONE
    named(tmp_path / "pmta", f"domain-key s1,x.example,{key}\n")
    assert (say("remove-key"), key.exists()) == (IN_USE, True)


def test_a_key_that_none_names_goes(tmp_path: Path, say: Callable[[str], int]) -> None:
    assert say("make-key") == DONE
    assert (say("remove-key"), list((tmp_path / "pmta" / "dkim").iterdir())) == (DONE, [])
    assert say("remove-key; id") == NOT_ALLOWED
