"""The documented modules under ``whatsnext.api.server``."""

import importlib
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from whatsnext_server.config import ServerSettings

MODULES = ("main", "models", "schemas", "routers", "database", "config")


@pytest.mark.parametrize("name", MODULES)
def test_module_exports_what_it_names(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    module = importlib.import_module(f"whatsnext.api.server.{name}")
    assert module.__doc__
    assert module.__all__
    assert all(hasattr(module, each) for each in module.__all__)


def test_main_has_the_application(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    main = importlib.import_module("whatsnext.api.server.main")
    assert isinstance(main.app, FastAPI)
    assert isinstance(main.create_app(ServerSettings(database="memory://")), FastAPI)


def test_modules_hold_what_they_are_named_for() -> None:
    from whatsnext.api.server import database, models, routers, schemas

    assert {each.__tablename__ for each in (models.Project, models.Task, models.Job)}
    assert issubclass(models.Job, database.Base)
    assert issubclass(schemas.NewJob, BaseModel)
    assert all(isinstance(each, APIRouter) for each in routers.ALL)
