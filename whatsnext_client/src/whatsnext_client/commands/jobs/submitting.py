"""``whatsnext jobs add`` and ``whatsnext jobs submit``."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from whatsnext_client.commands.base import completing
from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session
from whatsnext_client.commands.base.values import duration, format_ids, parse_ids, parse_parameters, parse_sweeps

if TYPE_CHECKING:
    from typing import BinaryIO

    from whatsnext_client.commands.jobs.items import Edge, Item
    from whatsnext_client.commands.jobs.progress import Silence
    from whatsnext_client.commands.jobs.submission import Submission

sweep_option = click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="KEY=VALUES",
    help="One job for each value: lr=0.1,0.01 or seed=1..5; may be repeated, and then multiplies.",
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Check everything and send nothing.")


@click.command(
    "add",
    cls=Command,
    examples=[
        "whatsnext --project digits jobs add train --param lr=0.1 --param layers='[64,64]'",
        "whatsnext jobs add train --sweep lr=0.1,0.01 --sweep seed=1..5 --name 'run-{lr}-{seed}'",
        "whatsnext jobs add report --depends 17 --depends 18:finished --priority 10",
    ],
)
@click.argument("task", shell_complete=completing.task_names)
@click.option("--param", "-P", "parameters", multiple=True, metavar="KEY=VALUE", help="A parameter; may be repeated.")
@click.option("--priority", type=int, default=0, show_default=True, help="Higher runs first.")
@click.option(
    "--depends",
    multiple=True,
    metavar="ID[:CONDITION]",
    help="A job that comes before: it must succeed, or as CONDITION says.",
)
@click.option("--name", help="Name of the job; {key} stands for a parameter.  [default: the task's name]")
@click.option("--timeout", type=duration, metavar="TIME", help="How long an attempt may run: 90, 10m, 2h.")
@sweep_option
@dry_run_option
@common_options
@pass_session
def add(
    session: Session,
    task: str,
    *,
    parameters: tuple[str, ...],
    priority: int,
    depends: tuple[str, ...],
    name: str | None,
    timeout: float | None,
    sweeps: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Add a job of TASK to the queue; with --sweep one for each combination of the swept values.

    A value is read as JSON where it is JSON: 0.1, true, null, [1,2] and {"a":1} are what they are there. Everything
    else is text, and so is 007, NaN or 1,2. Text that looks like JSON goes in double quotes: --param tag='"7"'.

    The values of a sweep stand between commas and are read in the same way; commas inside brackets, braces and
    double quotes belong to the value. first..last is a range of whole numbers that includes both ends, and
    first..last..step has a step.

    CONDITION is success, finished (ended in any way) or failure.
    """
    from whatsnext_client.commands.jobs.items import Item
    from whatsnext_client.commands.jobs.progress import progress
    from whatsnext_client.commands.jobs.submission import Submission, fill

    values = parse_parameters(parameters)
    item = Item(
        name=fill(name, values) if name else task,
        task=task,
        parameters=values,
        priority=priority,
        edges=_edges(depends),
        timeout=timeout,
    )
    submission = Submission(f"task {task}")
    swept = parse_sweeps(sweeps)
    submission.take([(f"job {item.name!r}", item)], swept)
    with progress(session) as shown:
        ids = _send(session, submission, shown, dry_run=dry_run)
    _tell(session, submission, ids, single=None if swept else item)


@click.command(
    "submit",
    cls=Command,
    examples=[
        "whatsnext --project digits jobs submit jobs.jsonl",
        "generate-jobs | whatsnext jobs submit -",
        "whatsnext jobs submit workflow.json --sweep seed=1..5 --dry-run",
    ],
)
@click.argument("file", type=click.File("rb"))
@sweep_option
@dry_run_option
@common_options
@pass_session
def submit(session: Session, file: BinaryIO, *, sweeps: tuple[str, ...], dry_run: bool) -> None:
    """Submit all jobs of FILE at once; - reads standard input. Either all of them exist afterwards, or none.

    FILE holds one job as a JSON object in each line (JSON Lines), or one JSON document: a list of jobs, or
    {"jobs": [...]}. A job looks like this; only its task is needed:

    \b
      {"task": "train",             the task's name, or "task_id"
       "name": "train-1",           default: the ref, or the task's name
       "parameters": {"lr": 0.1},
       "priority": 5,               higher runs first
       "ref": "a",                  what other jobs of this file call it
       "depends_on": ["prep", 17],  refs of this file, and ids of jobs that exist
       "timeout": 3600}             seconds that an attempt may run

    A dependency may have a condition: {"job": "prep", "condition": "failure"}; others are success (the default) and
    finished.

    --sweep submits the whole file once for each combination, with the swept values among the parameters of every job;
    refs point at the job of the same combination, and a name may hold {key} for a parameter.
    """  # noqa: D301 - click wants the character that \b stands for
    from whatsnext_client.commands.jobs.progress import progress
    from whatsnext_client.commands.jobs.reading import Source
    from whatsnext_client.commands.jobs.submission import Submission

    name = getattr(file, "name", "<stdin>")
    title = "standard input" if name == "<stdin>" else str(name)
    submission = Submission(title)
    with progress(session) as shown:
        submission.read(shown.reading(Source(file, title)), parse_sweeps(sweeps))
        ids = _send(session, submission, shown, dry_run=dry_run)
    _tell(session, submission, ids)


def _send(session: Session, submission: Submission, shown: Silence, *, dry_run: bool) -> list[int]:
    """Return the ids of the new jobs; none for a dry run."""
    from whatsnext_client.commands.jobs.sending import check_tasks, send

    check_tasks(session, submission)
    return [] if dry_run else send(session, submission, shown)


def _tell(session: Session, submission: Submission, ids: list[int], *, single: Item | None = None) -> None:
    project = session.project["name"]
    if not ids:
        _preview(session, submission)
    elif session.output.as_json:
        session.output.document({"created": len(ids), "job_ids": ids})
    elif single is not None:
        session.output.say(f"Added job {ids[0]} ({single.name}) to project {project}.")
    else:
        session.output.say(f"Added {len(ids):,} jobs to project {project}: {format_ids(ids)}.")


def _preview(session: Session, submission: Submission) -> None:
    jobs: list[dict[str, Any]] = [json.loads(encoded) for encoded in submission.encoded()]
    if session.output.as_json:
        session.output.document({"created": 0, "would_create": len(jobs), "jobs": jobs})
        return
    tasks = ", ".join(f"{number:,} of task {task}" for task, number in Counter(submission.tasks).most_common())
    for job in jobs[:10]:
        session.output.say(f"{job['name']}  {json.dumps(job['parameters'], ensure_ascii=False)}")
    if len(jobs) > 10:  # noqa: PLR2004 - the lines above
        session.output.say(f"... and {len(jobs) - 10:,} more")
    session.output.say(f"Nothing is wrong with these {len(jobs):,} jobs ({tasks}), and nothing was sent.")


def _edges(texts: tuple[str, ...]) -> tuple[Edge, ...]:
    from whatsnext_client.commands.jobs.items import Edge
    from whatsnext_core.errors import InvalidError
    from whatsnext_core.model import Condition

    found: list[Edge] = []
    for text in texts:
        ids, _, condition = text.partition(":")
        try:
            meaning = Condition.parse(condition or "success")
        except InvalidError as error:
            raise click.BadParameter(str(error), param_hint="--depends") from error
        found += (Edge(job=job_id, condition=meaning) for job_id in parse_ids([ids]))
    return tuple(found)
