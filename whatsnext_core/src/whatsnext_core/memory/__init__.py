"""A storage backend in memory: the reference model, and enough for trying things out."""

from whatsnext_core.memory.storage import MemoryStorage

__all__ = ["MemoryStorage"]
