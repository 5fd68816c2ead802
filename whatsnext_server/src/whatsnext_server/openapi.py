"""What the API says of itself."""

from __future__ import annotations

from typing import Any, Final

from whatsnext_server import __version__

DESCRIPTION: Final[dict[str, Any]] = {"title": "WhatsNext", "version": __version__}
