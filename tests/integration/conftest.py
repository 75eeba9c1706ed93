"""The whole lab, one for each module that asks for it by these names and has none of its own."""

from collections.abc import Iterator
from pathlib import PurePath

import pytest

from email_engine.store.engine import Store
from lab.testing import RunningLab
from tests.whole_lab import Whole, deployed, whole_lab


@pytest.fixture(scope="module")
def lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_url: str
) -> Iterator[RunningLab]:
    with whole_lab(tmp_path_factory.mktemp(PurePath(request.path).stem), postgres_url) as running:
        yield running


@pytest.fixture
def whole(
    lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Whole]:
    """The small fleet, deployed, with nothing told about that."""
    with deployed(lab, store, engine_database_url, monkeypatch) as made:
        yield made
