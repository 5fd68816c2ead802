"""The storage is found by its entry point, opened by its URL, and given its settings."""

from pathlib import Path

import pytest

from whatsnext_core.converters import from_json
from whatsnext_core.errors import InvalidError
from whatsnext_core.model import Project
from whatsnext_core.plugins import load_plugins
from whatsnext_core.storage import Page, Storage
from whatsnext_storage_sql.config import SQLConfig
from whatsnext_storage_sql.database import get_sessions
from whatsnext_storage_sql.models import Project as ProjectRow
from whatsnext_storage_sql.storage import SQLStorage


@pytest.mark.parametrize("url", ["sqlite:///q.db", "postgresql://h/d", "postgresql+psycopg://h/d"])
def test_it_is_selected_by_the_scheme(url: str) -> None:
    assert load_plugins().select_storage(url).descriptor.name == "storage-sql"


def test_it_opens_and_upgrades_what_it_is_given(tmp_path: Path) -> None:
    backend = load_plugins().select_storage("sqlite:///q.db").descriptor
    assert backend.config is SQLConfig
    assert backend.upgrade is not None
    url = f"sqlite:///{tmp_path}/q.db"
    assert backend.upgrade(url, None).endswith("q.db were created (0001).")
    storage = backend.open(url, SQLConfig(readers=2))
    assert isinstance(storage, Storage)
    storage.check()
    storage.close()


@pytest.mark.parametrize("settings", [{"readers": 0}, {"busy_timeout": -1}, {"check_after": 1e9}, {"pool": 3}])
def test_wrong_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises((InvalidError, ValueError)):
        from_json(settings, SQLConfig)


def test_tables_can_be_asked_by_sessions(storage: SQLStorage, sql_url: str) -> None:
    with storage.write() as writer:
        made: Project = writer.create_project("p", "about", storage.clock())
    sessions = get_sessions(sql_url)
    with sessions() as session:
        row = session.query(ProjectRow).filter_by(name="p").one()
        assert (row.id, row.description, row.created_at) == (made.id, "about", made.created_at)
        bind = session.get_bind()
    bind.engine.dispose()
    with storage.read() as reader:
        assert len(reader.projects(Page())) == 1
