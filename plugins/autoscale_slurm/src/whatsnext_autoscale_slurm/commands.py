"""``whatsnext autoscale slurm``."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from whatsnext_autoscale_slurm.settings import SECTION, AutoscaleSettings
from whatsnext_client.commands.base.failures import LocalError, RefusedError
from whatsnext_client.commands.base.help import Command, Group
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session
from whatsnext_client.commands.base.values import duration

if TYPE_CHECKING:
    from whatsnext_autoscale_slurm.autoscaler import Autoscaler, Round
    from whatsnext_autoscale_slurm.launch import Launch


@click.group(cls=Group, examples=["whatsnext autoscale slurm --max-pilots 10"])
@common_options
def autoscale() -> None:
    """Start workers on a cluster as the queue needs them, and let them go when it does not."""


@autoscale.command(
    cls=Command,
    examples=[
        "whatsnext autoscale slurm --max-pilots 20 --cpus 16 --mem 64G --time 4h",
        "whatsnext --project digits autoscale slurm --partition gpu --gpus 1 --gpu-kind a100",
        "whatsnext autoscale slurm --once --dry-run",
        "whatsnext autoscale slurm --once --max-pilots 0 --stop-pilots",
    ],
)
@click.option("--max-pilots", type=click.IntRange(0), metavar="N", help="Pilots at once, at most.  [default: 4]")
@click.option("--max-pending", type=click.IntRange(1), metavar="N", help="Of them waiting in Slurm's queue, at most.")
@click.option("--partition", metavar="NAME", help="Partition.  [default: the cluster's]")
@click.option("--cpus", type=click.IntRange(1), metavar="N", help="CPUs of a pilot, at least.  [default: 4]")
@click.option("--mem", metavar="SIZE", help="Memory of a pilot, at least, as 8G.  [default: 8G]")
@click.option("--gpus", type=click.IntRange(0), metavar="N", help="GPUs of every pilot, at least.  [default: 0]")
@click.option("--gpu-kind", metavar="KIND", help="Their kind, as Slurm and tasks name it.")
@click.option("--time", type=duration, metavar="TIME", help="How long a pilot may run, at least.  [default: 1h]")
@click.option("--max-time", type=duration, metavar="TIME", help="How long any pilot may run.  [default: 24h]")
@click.option("--idle", type=duration, metavar="TIME", help="A pilot leaves after that without a job.  [default: 60]")
@click.option("--interval", type=duration, metavar="TIME", help="How often the queue is looked at.  [default: 5]")
@click.option("--label", "labels", multiple=True, metavar="LABEL", help="Label that pilots carry; may be repeated.")
@click.option("--formatter", metavar="NAME", help="How pilots run jobs.  [default: cli]")
@click.option("--name", metavar="NAME", help="Name by which its pilots are known.  [default: of server and project]")
@click.option("--once", is_flag=True, help="Look once, do what is to be done, and end.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--stop-pilots", is_flag=True, help="At the end, end the pilots too; their jobs return to the queue.")
@common_options
@pass_session
def slurm(
    session: Session,
    /,
    *,
    name: str | None,
    labels: tuple[str, ...],
    once: bool,
    dry_run: bool,
    stop_pilots: bool,
    **options: Any,
) -> None:
    """Submit workers (pilots) to Slurm that fit the jobs which wait, as many as those need.

    Each pilot is a job of Slurm that runs `whatsnext worker` inside of its allocation, takes as many jobs at once as
    fit, and leaves when it had none for a while or its time ends. Where the partition is full, no more are submitted;
    after pilots that failed at their start there are longer and longer pauses. Jobs of the project count, or without
    one those of all projects.

    Run it where Slurm's commands are, as on a login node. It may be ended and started again at any time: it finds its
    pilots again. Ctrl-C or SIGTERM leaves them to end by themselves, unless --stop-pilots is given.
    """
    from whatsnext_autoscale_slurm.autoscaler import Autoscaler

    changes = {**options, "labels": labels or None}
    settings = _settings(session, {key: value for key, value in changes.items() if value is not None})
    project_id = session.project["id"] if session.settings.project else None
    stopped = threading.Event()
    with _launch(session, settings, name) as launch, _stopped_by_signals(stopped):
        scaler = Autoscaler(session.patient_api, project_id, launch, session.output.note)
        try:
            if once or dry_run:
                _show(session, scaler.step(act=not dry_run))
            else:
                _go_on(session, scaler, launch, stopped)
        finally:
            if stop_pilots and not dry_run:
                session.output.note(f"Stopped {scaler.stop_pilots()} pilots.")


def _settings(session: Session, changes: dict[str, Any]) -> AutoscaleSettings:
    from whatsnext_core.errors import InvalidError
    from whatsnext_core.settings import load_plugin_config

    found = load_plugin_config(SECTION, AutoscaleSettings, config=session.config) or AutoscaleSettings()
    try:
        return attrs.evolve(found, **changes)
    except (InvalidError, ValueError) as error:
        raise LocalError(str(error)) from error


@contextmanager
def _launch(session: Session, settings: AutoscaleSettings, name: str | None) -> Iterator[Launch]:
    """Give how pilots are submitted, with the folder of this autoscaler locked for it alone."""
    from whatsnext_autoscale_slurm.launch import Launch
    from whatsnext_client.engine.folder import default_root, slugify

    url, project = session.address.url, session.settings.project
    server = hashlib.sha256(url.encode()).hexdigest()[:6]
    known_as = slugify(name or f"{project or 'all'}-{server}")[:40]
    root = settings.folder or default_root(session.address.slug).parent.parent / "pilots"
    folder = Path(root).expanduser().absolute() / known_as
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = ["--server", url]
    target += ["--project", project] if project else []
    target += ["--config", str(Path(session.config).absolute())] if session.config else []
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RefusedError(
                f"Another autoscaler named {known_as!r} runs already ({folder / 'lock'} is locked); stop it, or give "
                f"this one another --name."
            ) from error
        yield Launch(
            name=known_as,
            settings=settings,
            program=settings.program or str(Path(sys.executable).with_name("whatsnext")),
            target=target,
            folder=folder,
            key=_keep_key(session.api_key, folder / "key"),
        )


def _keep_key(key: str | None, file: Path) -> Path | None:
    """Write the server's key where pilots read it, and nobody else can."""
    if key is None:
        file.unlink(missing_ok=True)
        return None
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(key)
    draft.replace(file)
    return file


def _go_on(session: Session, scaler: Autoscaler, launch: Launch, stopped: threading.Event) -> None:
    whose = f"project {session.settings.project}" if session.settings.project else "all projects"
    session.output.note(
        f"Autoscaler {launch.name}: up to {launch.settings.max_pilots} pilots for {whose} on {session.address.url}; "
        f"their output goes to {launch.folder}."
    )
    scaler.run(stopped)
    left = scaler.live()
    session.output.say(f"Left {left} pilots, which end by themselves.", {"name": launch.name, "pilots": left})


def _show(session: Session, done: Round) -> None:
    live = [pilot for pilot in done.snapshot.pilots if pilot.state.is_live]
    waiting = sum(want.jobs for want in done.snapshot.wants)
    data = {
        "waiting": waiting,
        "pilots": [{"id": pilot.id, "job": pilot.job, "state": pilot.state.value} for pilot in live],
        "submit": [attrs.asdict(shape) for shape in done.plan.submit],
        "submitted": [{"id": pilot_id, "job": job} for pilot_id, job in done.submitted],
        "withdraw": list(done.plan.withdraw),
        "notes": list(done.plan.notes),
    }
    session.output.say(
        f"{waiting:,} jobs wait, {len(live)} pilots are there, {len(done.plan.submit)} more are worth it.", data
    )


@contextmanager
def _stopped_by_signals(stopped: threading.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the loop, and not the process."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
