"""How a command ends when something went wrong: one sentence on stderr and an exit code, never a traceback.

0 done; 1 the server, or the state of things, said no; 2 usage, or bad input on this side; 3 no server answers; 130
after Ctrl-C; 141 when the reader of the output went away, as for any program at the head of a pipe.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click

SAID_NO = 1
BAD_INPUT = 2
UNREACHABLE = 3
INTERRUPTED = 130
READER_GONE = 141


class LocalError(click.ClickException):
    """What the user gave cannot be used; nothing was sent."""

    exit_code = BAD_INPUT


class RefusedError(click.ClickException):
    """What was asked for did not happen."""

    exit_code = SAID_NO


def run(command: Callable[[], Any]) -> int:
    """Return the exit code of ``command``, with what went wrong said on stderr."""
    try:
        try:
            result = command()
        finally:
            sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as error:
        return _aborted(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return reader_gone()
    except ConnectionError as error:
        return _say(error, UNREACHABLE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say(f"{where}{error.strerror or error}", BAD_INPUT)
    except Exception as error:  # noqa: BLE001 - `_code` raises what is none of ours again
        return _say(error, _code(error))
    return result if isinstance(result, int) else 0


def reader_gone() -> int:
    """Return the exit code for a reader that went away; stdout leads nowhere from then on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return READER_GONE


def _code(error: Exception) -> int:
    """Return the exit code of one of our errors; any other is a bug and goes on."""
    from whatsnext_client.errors import UnexpectedAnswerError
    from whatsnext_core.errors import ConfigurationError, PluginError, WhatsNextError

    if isinstance(error, ConfigurationError | PluginError):
        return BAD_INPUT
    if isinstance(error, UnexpectedAnswerError):
        return UNREACHABLE
    if isinstance(error, WhatsNextError):
        return SAID_NO
    raise error


def _say(message: object, code: int) -> int:
    click.echo(f"Error: {message}", err=True)
    return code


def _aborted(error: click.Abort) -> int:
    """Return the code for Ctrl-C, or for a question that nobody was there to answer."""
    click.echo(err=True)
    if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
        return INTERRUPTED
    return _say("not confirmed, so nothing was done; --yes answers the question.", SAID_NO)
