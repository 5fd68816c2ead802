"""The SQLAlchemy models of the tables."""

from whatsnext_storage_sql import models
from whatsnext_storage_sql.models import *  # noqa: F403  # the face shows exactly what the package exports

__all__ = list(models.__all__)
