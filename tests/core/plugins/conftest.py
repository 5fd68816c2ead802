"""Toy distributions on the search path of the test."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.core.plugins.toys import Toy

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs toys for the duration of a test."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def install_toys(*toys: Toy) -> None:
        for toy in toys:
            toy.install(folder)

    yield install_toys
    for name in [name for name in sys.modules if name.startswith("toy_")]:
        del sys.modules[name]
