"""What is said of working directories before anything is started."""

from pathlib import Path

import pytest

from whatsnext_core.errors import EngineError
from whatsnext_core.formatting.programs import check_folder


def test_folder_is_accepted_and_anything_else_is_named(tmp_path: Path) -> None:
    check_folder(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="file' is no folder on this client"):
        check_folder(tmp_path / "file")
    with pytest.raises(EngineError, match="nothing' does not exist on this client"):
        check_folder(tmp_path / "nothing")
