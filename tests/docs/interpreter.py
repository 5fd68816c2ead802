"""The Python session of a page: a program that runs one block after another in one namespace.

It reads requests from its standard input, one line of JSON each (``code``, ``file``, ``line``), and answers each with a
line of JSON on the file descriptor that its argument names: ``output`` and, if the code raised, ``error``.
"""

import contextlib
import io
import json
import os
import sys
import traceback
from typing import Any

__all__ = ["main"]


def run(code: str, file: str, line: int, namespace: dict[str, Any]) -> dict[str, str | None]:
    """Runs a block whose line numbers are those of its page."""
    output, error = io.StringIO(), None
    with contextlib.redirect_stdout(output):
        try:
            exec(compile("\n" * (line - 1) + code, file, "exec"), namespace)  # noqa: S102  running it is the purpose
        except BaseException:  # noqa: BLE001  the caller is told, whatever it is
            error = traceback.format_exc()
    return {"output": output.getvalue(), "error": error}


def main() -> None:
    """Answers requests until there are no more."""
    sys.path.insert(0, "")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with os.fdopen(int(sys.argv[1]), "w") as answers:
        for request in sys.stdin:
            answers.write(json.dumps(run(**json.loads(request), namespace=namespace)) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
