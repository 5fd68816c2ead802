"""What is said of programs and working directories before anything is started."""

import os
import time
from pathlib import Path

import pytest

from whatsnext_core.errors import EngineError
from whatsnext_core.formatting.programs import check_folder, find_program


def test_folder_is_accepted_and_anything_else_is_named(tmp_path: Path) -> None:
    check_folder(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="file' is no folder on this client"):
        check_folder(tmp_path / "file")
    with pytest.raises(EngineError, match="nothing' does not exist on this client"):
        check_folder(tmp_path / "nothing")


def test_program_may_move_from_one_folder_of_the_path_to_another(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    path = f"{first}{os.pathsep}{second}"
    with pytest.raises(EngineError, match="'solver' was not found on this client's PATH"):
        find_program("solver", path, "/")
    for folder in (first, second):
        folder.mkdir()
    (first / "solver").touch(mode=0o755)
    assert find_program("solver", path, "/") == str(first / "solver")
    (first / "solver").rename(second / "solver")
    time.sleep(1.1)
    assert find_program("solver", path, "/") == str(second / "solver")
