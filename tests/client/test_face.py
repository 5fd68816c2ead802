"""The public face exports what is documented, and explains what is not installed."""

import inspect
from pathlib import Path

import pytest

import whatsnext.api.client as face
from tests.client.support import run_python
from whatsnext.api.client.lazy import FORMATTERS
from whatsnext_core.errors import WhatsNextError

DOCUMENTED = {
    "Server", "Project", "Job", "Task", "Client", "Resource", "Artifact",
    "Formatter", "CLIFormatter", "EmptyQueueError",
}  # fmt: skip


def test_every_documented_name_is_exported() -> None:
    assert set(face.__all__) >= DOCUMENTED
    assert all(hasattr(face, name) for name in DOCUMENTED)


def test_every_error_of_the_library_has_the_one_base() -> None:
    errors = [
        value for name in face.__all__ if inspect.isclass(value := getattr(face, name)) and name.endswith("Error")
    ]
    assert len(errors) > 10
    assert all(issubclass(error, WhatsNextError) for error in errors)


@pytest.mark.parametrize("name", FORMATTERS)
def test_a_documented_formatter_is_there_or_names_its_distribution(name: str) -> None:
    if name in face.__all__:
        assert getattr(face, name).__name__ == name
        return
    with pytest.raises(ImportError, match=f"pip install {FORMATTERS[name].replace('_', '-')}"):
        getattr(face, name)


def test_a_missing_formatter_names_its_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATTERS, "SlurmFormatter", "whatsnext_formatter_nowhere")
    with pytest.raises(face.PluginError, match="pip install whatsnext-formatter-nowhere"):
        face.__getattr__("SlurmFormatter")


def test_a_name_that_nobody_has_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        face.__getattr__("Nothing")


def test_a_star_import_works_whatever_is_installed(tmp_path: Path) -> None:
    done = run_python("from whatsnext.api.client import *; print(Server, CLIFormatter)", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
