"""The Pydantic schemas of requests and answers."""

from whatsnext_server.schemas import *  # noqa: F403  # the face shows exactly what the package exports
from whatsnext_server.schemas import __all__ as __all__  # noqa: PLE0605  # the same list
