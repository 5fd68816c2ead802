"""A storage backend in memory: the reference model, and enough for trying things out."""

from typing import TYPE_CHECKING

from whatsnext_core.lazy import lazy_exports

if TYPE_CHECKING:
    from whatsnext_core.memory.storage import MemoryStorage

__all__ = ["MemoryStorage"]

__getattr__ = lazy_exports(__name__, {"MemoryStorage": "storage"})
