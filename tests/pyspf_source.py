"""pyspf's source distribution: the public test suite of RFC 7208, and a second implementation.

It is fetched once by pip, pinned and checked by its hash, into the user's cache; nothing of it is in this repository."""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

VERSION = "2.0.14"
FOLDER = f"pyspf-{VERSION}"
SHA256 = "57a7ef01bda090173aafb6af0106251686ed73f03db4e911fcd34c57fc347186"
PATIENCE = 120


def source() -> Path:
    """The archive. Skips the test where pip cannot get it; another content than the pinned one is a failure."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    archive = caches / "email-engine-tests" / f"{FOLDER}.tar.gz"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        _download(archive)
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256, f"{archive} was changed: remove it"
    return archive


def _download(archive: Path) -> None:
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        wanted = Path(scratch) / "requirements.txt"
        wanted.write_text(f"pyspf=={VERSION} --hash=sha256:{SHA256}\n")
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        command += ["--no-binary", ":all:", "--no-build-isolation", "--require-hashes", "--retries", "1"]
        try:
            done = subprocess.run(
                [*command, "--timeout", "20", "-r", str(wanted), "-d", scratch],
                capture_output=True, text=True, timeout=PATIENCE, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            pytest.skip(f"pip had not fetched {FOLDER} after {PATIENCE} s")
        assert "DO NOT MATCH THE HASHES" not in done.stderr, done.stderr
        fetched = Path(scratch) / archive.name
        if not fetched.exists():
            pytest.skip(
                f"pip could not fetch {FOLDER}: {done.stderr.strip().splitlines()[-1:] or done.returncode}"
            )
        fetched.replace(archive)


def _member(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as files:
        member = files.extractfile(f"{FOLDER}/{name}")
        assert member is not None
        return member.read()


def suite(archive: Path) -> list[dict[str, Any]]:
    """Scenarios: each has `zonedata` and `tests`."""
    return list(yaml.safe_load_all(_member(archive, "test/rfc7208-tests.yml")))


def second_opinion(archive: Path, folder: Path) -> ModuleType:
    """The module `spf`, imported from the archive; `folder` takes its file. Set its `DNSLookup` before use."""
    file = folder / "spf.py"
    file.write_bytes(_member(archive, "spf.py"))
    spec = importlib.util.spec_from_file_location("pyspf_of_the_suite", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    return module
