"""The Pydantic schemas of requests and answers."""

from whatsnext_server import schemas
from whatsnext_server.schemas import *  # noqa: F403  # the face shows exactly what the package exports

__all__ = list(schemas.__all__)
