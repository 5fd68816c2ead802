"""Artifacts: files that can be told apart from any other."""

import hashlib
from pathlib import Path

import pytest

from whatsnext.api.client import Artifact, InvalidError, NotFoundError


def test_an_artifact_knows_its_file(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"weights")
    artifact = Artifact.from_file(file)
    assert (artifact.name, artifact.path, artifact.size) == ("model.bin", file, 7)
    assert artifact.checksum == hashlib.sha256(b"weights").hexdigest()
    assert artifact.is_intact()
    file.write_bytes(b"weighty")
    assert not artifact.is_intact()
    file.unlink()
    assert not artifact.is_intact()


def test_an_artifact_needs_a_file_and_a_name(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="'model' has no file"):
        Artifact.from_file(tmp_path / "nothing", "model")
    with pytest.raises(InvalidError, match="name of the artifact"):
        Artifact("", tmp_path, 0, "")
