"""Where the program ``whatsnext-server`` begins, and ``python -m whatsnext_server``, which is the same."""

import gc
from typing import Final

LOADING: Final = 1_000_000
"""Objects that are made before Python looks for garbage among them.

What is imported is none, and to look for some again and again takes a fifth of the time until the server answers. One
that begins to serve sets what suits that.
"""


def start() -> None:
    """Run the program."""
    gc.set_threshold(LOADING)
    from whatsnext_server.cli import main

    main(prog_name="whatsnext-server")


if __name__ == "__main__":
    start()
