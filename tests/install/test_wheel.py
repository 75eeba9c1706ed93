"""Installed with pip, away from the clone and without EMAIL_ENGINE_HOME: everything that the commands read comes along."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
NEEDED = ("include", "plugins", "templates", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "requirements.in")  # fmt: skip
COMMAND = "import sys; from email_engine.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tree, so that nothing is left in it; without isolation, so that nothing is downloaded."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in NEEDED:
        path = TREE / name
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, source / name)
    pip("wheel", str(source), "--no-build-isolation", "--wheel-dir", str(out))
    (built,) = out.glob("email_engine-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    pip("install", str(wheel), "--no-index", "--target", str(target))
    return target


def pip(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *words, "--no-deps", "--quiet"],
        capture_output=True,
        text=True,
        env=clean(),
        timeout=150,
    )
    assert done.returncode == 0, done.stderr


def clean(**more: str) -> dict[str, str]:
    """The environment without anything that points at this clone."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("EMAIL_ENGINE", "PYTHON"))} | more


def run(installed: Path, folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *words],
        cwd=folder,
        env=clean(PYTHONPATH=str(installed), **more),
        capture_output=True,
        text=True,
        timeout=150,
    )


def test_the_wheel_carries_every_data_file_of_the_tree_once(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for folder, at in (("config", TREE / "include/config"), ("templates", TREE / "templates")):
        wanted = {
            f"email_engine/data/{folder}/{p.relative_to(at).as_posix()}" for p in at.rglob("*") if p.is_file()
        }
        assert len(wanted) > 3
        assert wanted == {name for name in names if name.startswith(f"email_engine/data/{folder}/")}
    assert any(name.startswith("email_engine/store/migrations/versions/0001_") for name in names)
    assert "email_engine/store/migrations/script.py.mako" in names


def test_it_is_the_installed_copy_that_runs(installed: Path, tmp_path: Path) -> None:
    code = "import email_engine.paths as h; print(h.__file__, h.CONFIG, h.config_history_path(), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env=clean(PYTHONPATH=str(installed), HOME=str(tmp_path)), capture_output=True, text=True,
    )  # fmt: skip
    module, config, history = done.stdout.splitlines()
    assert module.startswith(str(installed))
    assert config == str(installed / "email_engine/data/config")
    assert history == str(tmp_path / ".local/state/email-engine/config-history"), "never into the package"


def test_the_commands_work_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    checked = run(installed, tmp_path, "fleet", "check", "--json")
    assert (checked.returncode, json.loads(checked.stdout)["ips"]) == (0, 100), checked.stderr
    rendered = run(installed, tmp_path, "render", "--host", "mta-1")
    assert rendered.returncode == 0, rendered.stderr
    assert rendered.stdout.count("<virtual-mta ") == 50
    (tmp_path / "config").write_text(rendered.stdout)
    linted = run(installed, tmp_path, "lint", "config", "--json")
    assert (linted.returncode, json.loads(linted.stdout)["errors"]) == (0, 0), linted.stdout + linted.stderr
    capacity = run(installed, tmp_path, "fleet", "capacity", "--json")
    assert [t["tenant"] for t in json.loads(capacity.stdout)["tenants"]] == ["aurora", "borealis"]


def test_a_simulation_runs_and_paints_its_report(installed: Path, tmp_path: Path) -> None:
    done = run(
        installed, tmp_path, "simulate", "--days", "3", "--scenario", "healthy", "--report", "report.html"
    )
    assert done.returncode == 0, done.stderr
    assert "<html" in (tmp_path / "report.html").read_text()


def test_a_folder_of_ones_own_comes_before_the_package(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(TREE / "include/config", tmp_path / "include/config")
    file = tmp_path / "include/config/fleet.yaml"
    file.write_text(file.read_text().replace("count: 50", "count: 48").replace("48-50", "48-48"))
    done = run(installed, tmp_path, "fleet", "check", "--json", EMAIL_ENGINE_HOME=str(tmp_path))
    assert json.loads(done.stdout)["ips"] == 96, done.stderr


def test_airflow_finds_the_provider_and_the_timetable_by_its_entry_points(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith("/entry_points.txt")]
        found = archive.read(name).decode()
    assert "[apache_airflow_provider]\nprovider_info = email_engine_airflow.get_provider_info" in found
    assert "[airflow.plugins]\nemail_engine = email_engine_airflow.airflow_plugin:EmailEnginePlugin" in found
