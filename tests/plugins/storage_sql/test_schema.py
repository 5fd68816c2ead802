"""The tables: what the migrations make is what the models say, and what the models say is what the core knows."""

import attrs
import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import downgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from whatsnext_core import model
from whatsnext_storage_sql import migrations, models
from whatsnext_storage_sql.connection.schema import HEAD
from whatsnext_storage_sql.database import get_engine

DERIVED = {
    # of a task: the requirement is spread over columns, and interned
    (model.Task, "requirement"): {
        "required_cpu",
        "required_accelerators",
        "required_memory",
        "accelerator_kind",
        "accelerator_memory",
        "required_labels",
        "class_id",
    },
    # of a job: from its task and its edges
    (model.Job, "task_name"): {"task_id"},
    (model.Job, "depends"): set(),
    (model.Job, "conditions"): set(),
    # of an attempt: from its lease
    (model.Attempt, "expires_at"): set(),
}
OWN = {
    "project": {"deleted", "cleared_to"},
    "task": {"deleted"},
    "job": {"submission_id", "class_id", "unmet", "impossible"},
    "client": set(),
    "attempt": set(),
    "event": {"jobs"},  # its row may stand for several events
    "event_cursor": set(),
}
PAIRS = [
    (model.Project, models.Project),
    (model.Task, models.Task),
    (model.Job, models.Job),
    (model.Client, models.Client),
    (model.Attempt, models.Attempt),
    (model.Event, models.Event),
    (model.Cursor, models.EventCursor),
]


@pytest.mark.parametrize(("value", "table"), PAIRS, ids=lambda kind: kind.__module__)
def test_every_field_of_the_core_has_its_column_and_no_column_is_unknown(
    value: type[attrs.AttrsInstance], table: type[models.Base]
) -> None:
    columns = set(table.__table__.columns.keys())
    expected: set[str] = set()
    for field in attrs.fields(value):
        expected |= DERIVED.get((value, field.name), {field.name})
    assert expected <= columns
    assert columns - expected == OWN[table.__tablename__]


def test_requirement_is_spread_completely() -> None:
    names = {attribute.name for attribute in attrs.fields(model.Requirement)}
    assert names == {"cpu", "accelerators", "memory", "accelerator_kind", "accelerator_memory", "labels"}


def script() -> Config:
    config = Config()
    config.set_main_option("script_location", migrations.__path__[0])
    return config


def test_newest_migration_is_the_one_that_the_code_expects() -> None:
    assert ScriptDirectory.from_config(script()).get_heads() == [HEAD]


def test_migrations_make_what_the_models_say(sql_url: str) -> None:
    engine = get_engine(sql_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, models.Base.metadata) == []
    engine.dispose()


def test_migrations_can_be_taken_back(sqlite_url: str) -> None:
    engine = get_engine(sqlite_url)
    with engine.begin() as connection:
        config = script()
        config.attributes["connection"] = connection
        downgrade(config, "base")
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_the_kept_rows_of_sqlite_have_no_row_ids_where_the_key_is_the_order(sqlite_url: str) -> None:
    engine = get_engine(sqlite_url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all()
    engine.dispose()
    for name in ("ready", "delayed", "listing", "lease", "edge", "attempt", "counter"):
        assert "WITHOUT ROWID" in {row.name: row.sql for row in rows}[name]
