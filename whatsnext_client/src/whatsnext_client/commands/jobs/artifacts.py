"""``whatsnext jobs artifacts``: the files that a job left, listed and fetched."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from whatsnext_client.commands.base.failures import LocalError
from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session
from whatsnext_client.commands.base.values import job_id

if TYPE_CHECKING:
    from whatsnext_client.artifact import Artifact

LARGE = 8 * 2**20
"""Bytes of files of which the progress is shown."""
STDOUT = "-"


@click.command(
    "artifacts",
    cls=Command,
    examples=[
        "whatsnext jobs artifacts 17",
        "whatsnext jobs artifacts 17 --fetch model.pt",
        "whatsnext jobs artifacts 17 --fetch plots/loss.png --to loss-17.png",
        "whatsnext jobs artifacts 17 --all --to results/17",
    ],
)
@click.argument("job_id", metavar="ID", type=job_id)
@click.option("--fetch", "names", multiple=True, metavar="NAME", help="Fetch this file; may be repeated.")
@click.option("--all", "everything", is_flag=True, help="Fetch all files.")
@click.option(
    "--to",
    metavar="PATH",
    help="Where to: a folder, or for one file its new name, or - for standard output.  [default: here]",
)
@common_options
@pass_session
def artifacts(session: Session, job_id: int, *, names: Sequence[str], everything: bool, to: str | None) -> None:
    """List the files of a job, or fetch some or all of them.

    A job leaves files by writing them into the folder that WHATSNEXT_ARTIFACTS names. What is fetched is verified by
    its checksum and written under its own name, folders included, below the folder that --to names; an older file is
    replaced when the new one is whole.
    """
    if to is not None and not names and not everything:
        raise click.UsageError("--to says where fetched files go; name them with --fetch, or give --all.")
    if names and everything:
        raise click.UsageError("--all fetches all files; leave out --fetch, or --all.")
    if not names and not everything:
        _show(session, job_id)
        return
    from whatsnext_client.artifact import Artifact

    api = session.patient_api
    documents = list(api.artifacts(job_id)) if everything else [api.artifact(job_id, name) for name in names]
    found = [Artifact.from_document(api, document) for document in documents]
    if to == STDOUT:
        _print(session, found)
        return
    if not found and not session.output.as_json:
        session.output.note(f"Job {job_id} has no artifacts.")
    fetched = []
    for document, target in zip(documents, _targets(found, to, several=everything or len(names) > 1), strict=True):
        artifact = Artifact.from_document(api, document)
        with _progress(session, artifact) as progress:
            artifact.save(target, progress=progress)
        fetched.append({**document, "path": str(target)})
        if not session.output.as_json:
            session.output.say(f"Fetched {artifact.name} to {target}.")
    session.output.document(fetched)


def _show(session: Session, job_id: int) -> None:
    from whatsnext_client.commands.base import columns

    found = list(session.api.artifacts(job_id))
    session.output.table(found, columns.ARTIFACTS, empty=f"Job {job_id} has no artifacts.")


def _print(session: Session, found: Sequence[Artifact]) -> None:
    if len(found) != 1 or session.output.as_json:
        raise LocalError("Only one file can go to standard output, without --json; name one with --fetch.")
    found[0].copy_to(sys.stdout.buffer)


def _targets(found: Sequence[Artifact], to: str | None, *, several: bool) -> list[Path]:
    """Return where the files go; all are looked at before the first is fetched."""
    from whatsnext_client.fetching import place_below

    folder = Path(to or ".")
    if to is not None and not several and not folder.is_dir() and not to.endswith("/"):
        return [folder]
    if folder.exists() and not folder.is_dir():
        raise LocalError(f"{folder} is a file; give a folder to fetch several files to.")
    return [place_below(folder, artifact.name) for artifact in found]


@contextmanager
def _progress(session: Session, artifact: Artifact) -> Iterator[Callable[[int], Any]]:
    """Shows the progress of a large file on stderr, if that is a terminal."""
    if artifact.size < LARGE or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    layout = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*layout, console=session.output.console(), transient=True) as bars:
        task = bars.add_task(artifact.name, total=artifact.size)
        yield lambda place: bars.update(task, completed=place)
