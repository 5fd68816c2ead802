"""What the headers of a download mean: which part is wanted of which version, and how the answer is labelled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from attrs import frozen
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from whatsnext_core.model import Artifact

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9 ._-]")


@frozen
class Part:
    """Which bytes are answered."""

    status: int
    """200 for all of them, 206 for a part, 304 for none since whoever asks has them."""
    begin: int
    """The first one."""
    end: int
    """The one behind the last."""


def wanted_part(artifact: Artifact, headers: Headers) -> Part:
    """Return which bytes of a file a request wants.

    A range that is malformed, of several parts, or of another version (``If-Range``) counts for nothing.

    Raises:
        HTTPException: 412 if another version is asked for (``If-Match``); 416 if the range lies behind the end.
    """
    tag, size = etag(artifact), artifact.size
    if "if-match" in headers and not _names(headers["if-match"], tag):
        raise HTTPException(
            HTTPStatus.PRECONDITION_FAILED,
            f"Artifact {artifact.name!r} of job {artifact.job_id} has the ETag {tag} now; fetch it anew.",
        )
    if "if-none-match" in headers and _names(headers["if-none-match"], tag):
        return Part(HTTPStatus.NOT_MODIFIED, 0, 0)
    match = _RANGE.fullmatch(headers.get("range", "").strip())
    if match is None or match[0] == "bytes=-" or headers.get("if-range", tag).strip() != tag:
        return Part(HTTPStatus.OK, 0, size)
    begin, end = _limits(match[1], match[2], size)
    if begin >= end:
        if match[1] and match[2] and int(match[1]) > int(match[2]):
            return Part(HTTPStatus.OK, 0, size)
        raise HTTPException(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            f"Artifact {artifact.name!r} of job {artifact.job_id} has {size} bytes; the range {match[0]!r} has none.",
            {"Content-Range": f"bytes */{size}"},
        )
    return Part(HTTPStatus.PARTIAL_CONTENT, begin, end)


def labels(artifact: Artifact, part: Part) -> Mapping[str, str]:
    """Return the headers of an answer.

    No browser shows what it gets as a page of this server, whatever is in the file: it is always bytes to be saved.
    """
    found = {
        "ETag": etag(artifact),
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition(artifact.name),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-cache",
    }
    if part.status != HTTPStatus.NOT_MODIFIED:
        found["Content-Length"] = str(part.end - part.begin)
    if part.status == HTTPStatus.PARTIAL_CONTENT:
        found["Content-Range"] = f"bytes {part.begin}-{part.end - 1}/{artifact.size}"
    return found


def etag(artifact: Artifact) -> str:
    """Return what tells one version of a file from another: its checksum."""
    return f'"{artifact.sha256}"'


def disposition(name: str) -> str:
    """Return the header by which a browser saves a file under the last part of its name."""
    last = name.rpartition("/")[2]
    return f"attachment; filename=\"{_UNSAFE.sub('_', last)}\"; filename*=UTF-8''{quote(last, safe='')}"


def _names(header: str, tag: str) -> bool:
    """Return whether a list of ETags has this one."""
    return any(each.strip().removeprefix("W/") in {tag, "*"} for each in header.split(","))


def _limits(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1 if last else size)


__all__ = ["Part", "disposition", "etag", "labels", "wanted_part"]
