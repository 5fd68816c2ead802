"""The batch script of a pilot."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SCRIPT: Final = """\
#!/bin/sh
# WhatsNext: a worker inside of an allocation.
{setup}
{key}
folder=$(mktemp -d "${{TMPDIR:-/tmp}}/whatsnext-pilot.XXXXXX") || exit 1
worker=
trap '[ -z "$worker" ] || kill -TERM "$worker"' TERM INT
{command} --state-dir "$folder" &
worker=$!
while :; do
    wait "$worker"
    code=$?
    kill -0 "$worker" 2>/dev/null || break
done
rm -rf "$folder"
exit "$code"
"""
READ_KEY: Final = """\
WHATSNEXT_API_KEY=$(cat {file}) || exit 1
export WHATSNEXT_API_KEY"""


def pilot_script(command: Sequence[str], setup: str, key: Path | None) -> str:
    """Return the script that runs a worker, after shell text of the user's own.

    A signal reaches the worker, which then leaves in order. The server's key is read from a file that only its owner
    reads: it stands in no command line, and in nothing that Slurm shows.
    """
    reads = "" if key is None else READ_KEY.format(file=shlex.quote(str(key)))
    return SCRIPT.format(setup=setup.strip(), key=reads, command=shlex.join(command))
