"""Whether plugins may add commands, found without ``importlib.metadata``.

To import that takes as long as all else that a help does, and most installations have no such plugin.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from typing import Final

GROUP: Final = "whatsnext.client"
"""The entry-point group of commands."""
_METADATA: Final = (".dist-info", ".egg-info")


def may_be_extended(group: str) -> bool:
    """Return False only if no distribution on ``sys.path`` has entry points of this group.

    It reads ``entry_points.txt`` of each package that is installed in a folder, a file which
    https://packaging.python.org/specifications/entry-points describes. Those that lie in archives, or that a finder of
    somebody else knows, are not looked at: the answer is True where there may be some.
    """
    if any(hasattr(finder, "find_distributions") and finder is not PathFinder for finder in sys.meta_path):
        return True
    heading = f"[{group}]".encode()
    return any(_may_have(place or os.curdir, heading) for place in dict.fromkeys(sys.path))


def _may_have(place: str, heading: bytes) -> bool:
    """Return whether a distribution in one place of ``sys.path`` has such a section, or may have one."""
    try:
        names = os.listdir(place)  # noqa: PTH208 - pathlib is not imported yet
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return place.endswith(".egg") or any(
        _has(os.path.join(place, name, "entry_points.txt"), heading)  # noqa: PTH118 - neither is it here
        for name in names
        if name.lower().endswith(_METADATA)
    )


def _has(path: str, heading: bytes) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - nor here
            return heading in file.read()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
