"""What happens to the files of jobs in both storages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from whatsnext_core.model import ArtifactSpec, ArtifactUpload, AttemptRef
from whatsnext_core.storage import Writer
from whatsnext_core.testing.machine import strategies as draw_from
from whatsnext_core.testing.machine.base import SideBySide, one_of


class FileRules(SideBySide):
    """What attempts and people do with files."""

    @precondition(lambda self: self.job_ids())
    @rule(data=st.data(), name=draw_from.NAMES, size=st.sampled_from([None, 2, 2, 3]), checked=st.booleans())
    def begin_file(self, data: st.DataObject, name: str, size: int | None, checked: bool) -> None:
        """Somebody begins to send a file, or goes on with it; an attempt, or a person."""
        refs = [AttemptRef(job_id=attempt.job_id, fence=attempt.fence) for attempt in self.attempts()]
        ref: AttemptRef | None = data.draw(st.sampled_from([None, *refs]))
        spec = ArtifactSpec(
            job_id=ref.job_id if ref else data.draw(one_of(self.job_ids())),
            name=name,
            size=size,
            sha256=draw_from.SUMS["ab"] if checked else None,
            fence=ref.fence if ref else None,
        )
        numbers: list[int] = []

        def act(writer: Writer) -> ArtifactUpload:
            upload = writer.open_artifact(spec, self.now)
            numbers.append(upload.id)
            return upload

        self.both(act)
        if len(numbers) == 2:
            pair = (numbers[0], numbers[1])
            self.uploads = [pair, *(each for each in self.uploads if each != pair)]

    @precondition(lambda self: self.uploads)
    @rule(data=st.data(), offset=st.sampled_from([0, 0, 1, 2]), what=st.integers(0, 5))
    def go_on_with_file(self, data: st.DataObject, offset: int, what: int) -> None:
        """Somebody sends a piece of a file, finishes it, gives it up, or deletes a finished one."""
        mine, other = data.draw(st.sampled_from(self.uploads[:2] * 3 + self.uploads))
        match what:
            case 0 | 1 | 2:
                piece = data.draw(st.sampled_from([b"ab", b"a", b""]))
                self._on_upload(
                    mine, other, lambda writer, number: writer.append_artifact(number, offset, piece, self.now)
                )
            case 3 | 4:
                found = draw_from.SUMS[data.draw(st.sampled_from(["ab", "ab", "a"]))]
                self._on_upload(mine, other, lambda writer, number: writer.finish_artifact(number, found, self.now))
            case _ if data.draw(st.booleans()):
                self._on_upload(mine, other, lambda writer, number: writer.discard_artifact(number))
            case _:
                job, name = data.draw(one_of(self.job_ids())), data.draw(draw_from.NAMES)
                self.both(lambda writer: writer.delete_artifact(job, name))

    def _on_upload(self, mine: int, other: int, act: Callable[[Writer, int], Any]) -> None:
        self.both(lambda writer: act(writer, mine), lambda writer: act(writer, other))
