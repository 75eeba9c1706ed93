"""The whole lab, one for each module that asks for it by these names and has none of its own."""

from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest

from email_engine.store.engine import Store
from email_engine.store.telling import alerts
from lab.testing import RunningLab
from tests.whole_lab import Whole, deployed, prepare, whole_lab


@pytest.fixture(scope="module")
def lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_url: str
) -> Iterator[RunningLab]:
    with whole_lab(tmp_path_factory.mktemp(PurePath(request.path).stem), postgres_url) as running:
        yield running


@pytest.fixture
def whole(
    lab: RunningLab,
    store: Store,
    engine_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    postgres_url: str,
) -> Iterator[Whole]:
    """The small fleet, deployed, with nothing told about that."""
    with deployed(lab, store, engine_database_url, monkeypatch, postgres_url) as made:
        with store.session(tenant="*") as conn:
            alerts.clear(conn, "deployment", "mta-1")
        yield made


@pytest.fixture
def just_deployed(
    lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Whole:
    """The small fleet straight after its first deployment, whose history nobody else shares."""
    monkeypatch.setenv("EMAIL_ENGINE_CONFIG_HISTORY", str(tmp_path / "history"))
    made = prepare(lab, store, engine_database_url, monkeypatch)
    made.deploy()
    return made
