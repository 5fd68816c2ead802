"""Whatever happens to both databases, they show what the model shows."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest

from tests.plugins.storage_sql.databases import empty
from tests.plugins.storage_sql.invariants import check_invariants
from whatsnext_core.storage import Storage
from whatsnext_core.testing.machine import check_against_model
from whatsnext_storage_sql.storage import open_storage

FEW = hypothesis.settings(max_examples=20, stateful_step_count=40, deadline=None, derandomize=True, database=None)
FEWER = hypothesis.settings(FEW, max_examples=12)
MANY = hypothesis.settings(FEW, max_examples=500, derandomize=False, print_blob=True)


def wanted(usual: hypothesis.settings) -> hypothesis.settings:
    """The usual settings, or with ``--hypothesis-profile=thorough`` those that take a quarter of an hour."""
    return MANY if hypothesis.settings.get_current_profile_name() == "thorough" else usual


def test_sqlite_agrees_with_the_model(sqlite_template: Path, tmp_path: Path) -> None:
    @contextmanager
    def fresh() -> Iterator[Storage]:
        path = tmp_path / "queue.db"
        for old in tmp_path.glob("queue.db*"):
            old.unlink()
        shutil.copyfile(sqlite_template, path)
        storage = open_storage(f"sqlite:///{path}")
        try:
            yield storage
        finally:
            storage.close()
        check_invariants(f"sqlite:///{path}")

    check_against_model(fresh, wanted(FEW))


@pytest.mark.postgresql
def test_postgresql_agrees_with_the_model(shared_postgresql_url: str) -> None:
    @contextmanager
    def fresh() -> Iterator[Storage]:
        empty(shared_postgresql_url)
        storage = open_storage(shared_postgresql_url)
        try:
            yield storage
        finally:
            storage.close()
        check_invariants(shared_postgresql_url)

    check_against_model(fresh, wanted(FEWER))
