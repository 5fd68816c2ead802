"""The log of a worker on a terminal: one line for each thing that happens, on stderr."""

from __future__ import annotations

import logging
import sys
from typing import Final

import click

from whatsnext_client.commands.base.output import clean

COLOURS: Final = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}


class _Format(logging.Formatter):
    """The time of day and the message; what is worse than information has a colour."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = self.formatTime(record, "%H:%M:%S" if sys.stderr.isatty() else "%Y-%m-%dT%H:%M:%S%z")
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        text = clean(f"{level}{record.getMessage()}")
        if record.exc_info:
            text += f"\n{self.formatException(record.exc_info)}"
        colour = COLOURS.get(record.levelno) if sys.stderr.isatty() else None
        return f"{moment} {click.style(text, fg=colour) if colour else text}"


def log_to_stderr(*, verbose: bool) -> None:
    """Lets everything that the client tells of its work appear on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Format())
    logger = logging.getLogger("whatsnext_client")
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False
