"""The batch script that Slurm runs, with every value quoted."""

from __future__ import annotations

import shlex
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from whatsnext_core.errors import TemplateError
from whatsnext_core.formatting import fill_template

RECORD: Final = "slurm.exit"
"""Name of the file, in the attempt's directory, into which the script writes how the command ended."""
SCRIPT: Final = "slurm.sh"
"""Name of the file with the batch script, for people who look."""

BATCH: Final = """\
#!/bin/sh
# {title}
# The shell outlives signals that are meant for the command, to write down how it ended.
trap : HUP INT QUIT TERM USR1 USR2
{exports}
export WHATSNEXT_DEVICES="${{CUDA_VISIBLE_DEVICES-}}"
cd -- "$SLURM_SUBMIT_DIR" && {command} </dev/null
code=$?
{{ echo "$code"; times; }} >{draft} && mv -f {draft} {record}
# What the command left behind ends with it, also where Slurm does not see to that.
left=$(ps -A -o pgid= -o pid= | awk -v group=$$ '$1 == group && $2 != group {{ print $2 }}')
[ -z "$left" ] || kill -KILL $left 2>/dev/null
exit "$code"
"""


def batch_script(command: str, environment: Mapping[str, str], directory: Path, title: str) -> bytes:
    """Return the script that runs ``command``, shell text of one line, and writes its exit code into ``directory``."""
    draft, record = (shlex.quote(str(directory / name)) for name in (f"{RECORD}.new", RECORD))
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items())
    text = BATCH.format(title=" ".join(title.split()), exports=exports, command=command, draft=draft, record=record)
    return text.encode(errors="surrogateescape")


def fill_script(template: str, parameters: Mapping[str, Any], *, task: str) -> str:
    """Return shell text with its placeholders filled by parameters, each quoted, so that a value is never interpreted.

    ``{{`` and ``}}`` are braces: ``${{HOME}}``.

    Raises:
        TemplateError: the text is malformed, or a placeholder has no value.
    """
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise TemplateError(
            f"The script template of the Slurm formatter is malformed: {error}. A brace of the shell is written twice."
        ) from error
    text = ""
    for literal, name, spec, conversion in pieces:
        text += literal
        if name is not None:
            placeholder = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            text += shlex.join(fill_template(f"{{{placeholder}}}", parameters, task=task))
    return text


def run_by(script: str, file: Path) -> str:
    """Return the command that runs shell text of several lines from a file, by the interpreter that it names."""
    first = script.partition("\n")[0]
    interpreter = shlex.split(first[2:]) if first.startswith("#!") else []
    return shlex.join([*(interpreter or ["/bin/sh"]), str(file)])
