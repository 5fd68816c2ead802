"""What opens and upgrades a database of SQLite or PostgreSQL.

``open_storage`` gives the storage that a server works with; ``whatsnext_core.storage`` says what it can do. The tables
are in ``whatsnext.api.server.models``.
"""

from whatsnext_storage_sql.config import SQLConfig
from whatsnext_storage_sql.models import Base
from whatsnext_storage_sql.storage import SQLStorage, open_storage, upgrade_storage

__all__ = ["Base", "SQLConfig", "SQLStorage", "open_storage", "upgrade_storage"]
