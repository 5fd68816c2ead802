"""``whatsnext fail``: ends the job that it runs in."""

from __future__ import annotations

import click

from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session


@click.command(
    cls=Command, examples=['whatsnext fail "loss is NaN"', 'whatsnext fail "the data is broken" --stop-siblings']
)
@click.argument("message")
@click.option(
    "--stop-siblings", is_flag=True, help="Cancel the other jobs for which a common child waits, such as a sweep's."
)
@common_options
@pass_session
def fail(session: Session, message: str, *, stop_siblings: bool) -> None:
    """End the job that this command runs in as FAILED, with cause promised and MESSAGE.

    It writes a file that the job's worker looks for, and needs no server. Within a second the worker ends all processes
    of the job, with its task's signal and grace. The job is not retried, unless its task's policy names the cause
    promised (--retry-on). In a script, `whatsnext fail MESSAGE; exit 1` stops at once.
    """
    from whatsnext_client.commands.base.failures import LocalError
    from whatsnext_client.verdict import Verdict, write_verdict
    from whatsnext_core.errors import InvalidError

    try:
        write_verdict(Verdict(message=message, stop_siblings=stop_siblings))
    except InvalidError as error:
        raise LocalError(str(error)) from error
    session.output.say("The worker ends this job as failed.", {"failed": message, "stop_siblings": stop_siblings})
