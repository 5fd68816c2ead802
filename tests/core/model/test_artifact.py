"""Names, checksums and content types of artifacts, and the bytes that are new of a piece."""

from typing import Any

import pytest

from whatsnext_core.errors import InvalidError, LogOffsetError, OffsetError
from whatsnext_core.model import ArtifactSpec
from whatsnext_core.model.artifact import MAX_ARTIFACT, check_artifact_name, check_sha256
from whatsnext_core.storage import unseen


@pytest.mark.parametrize(
    "name", ["a", "plots/loss.png", "x" * 255, "...", "..a", "a/..b/c", "q\"u'o", "löss 日本", "%2e%2e"]
)
def test_relative_paths_are_names(name: str) -> None:
    assert check_artifact_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 256,
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/..",
        "a/./b",
        "a\\b",
        "a\nb",
        "a\0b",
        " a",
        "a ",
        "\ud800",
    ],
)
def test_what_could_lead_elsewhere_is_no_name(name: str) -> None:
    with pytest.raises(InvalidError, match="name of the artifact"):
        check_artifact_name(name)


def test_checksums_are_64_hexadecimal_digits_in_any_case() -> None:
    assert check_sha256("AB" * 32) == "ab" * 32
    for bad in ("", "ab" * 31, "zz" * 32, "ab" * 33):
        with pytest.raises(InvalidError, match="SHA-256"):
            check_sha256(bad)


def test_a_file_is_described_within_limits() -> None:
    spec = ArtifactSpec(
        job_id=1, name="f", sha256="AB" * 32, content_type="text/html; charset=utf-8", size=MAX_ARTIFACT
    )
    assert spec.sha256 == "ab" * 32
    bad: list[tuple[str, Any]] = [
        ("job_id", 0),
        ("fence", 0),
        ("size", -1),
        ("size", MAX_ARTIFACT + 1),
        ("content_type", "text"),
        ("content_type", "text/html\r\nX: y"),
        ("name", ".."),
        ("sha256", "x"),
    ]
    for field, value in bad:
        fields: dict[str, Any] = {"job_id": 1, "name": "f", field: value}
        with pytest.raises(InvalidError):
            ArtifactSpec(**fields)


def test_bytes_that_are_there_are_passed_over_and_a_gap_is_refused() -> None:
    assert unseen(b"abc", 5, 5, "it") == b"abc"
    assert unseen(b"abc", 5, 7, "it") == b"c"
    assert unseen(b"abc", 5, 9, "it") == b""
    with pytest.raises(
        LogOffsetError, match="Bytes for it were sent for offset 6, but there are 5; go on at 5"
    ) as caught:
        unseen(b"abc", 6, 5, "it", LogOffsetError)
    assert caught.value.size == 5
    assert isinstance(caught.value, OffsetError)
