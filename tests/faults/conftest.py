"""One lab for all of this folder; `tests/whole_lab.py` sets it back before each test."""

from collections.abc import Iterator

import pytest

from lab.testing import RunningLab
from tests.whole_lab import whole_lab


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[RunningLab]:
    with whole_lab(tmp_path_factory.mktemp("faults"), postgres_url) as running:
        yield running
