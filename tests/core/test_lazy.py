"""Names of a package that are imported when they are first asked for."""

import subprocess
import sys

import pytest

import whatsnext_core.memory
from whatsnext_core.memory.storage import MemoryStorage


def test_names_come_from_their_modules() -> None:
    assert whatsnext_core.memory.MemoryStorage is MemoryStorage


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'whatsnext_core\.memory' has no attribute 'Nothing'"):
        _ = whatsnext_core.memory.Nothing


def test_nothing_is_imported_before() -> None:
    source = (
        "import sys, whatsnext_core.memory as memory; assert 'whatsnext_core.memory.storage' not in sys.modules; "
        "memory.MemoryStorage; assert 'MemoryStorage' in vars(memory)"
    )
    subprocess.run([sys.executable, "-c", source], check=True)
