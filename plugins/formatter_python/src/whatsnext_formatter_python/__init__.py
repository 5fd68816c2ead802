"""Jobs of WhatsNext as calls of Python functions in warm processes."""

from typing import TYPE_CHECKING

from whatsnext_core.lazy import lazy_exports

if TYPE_CHECKING:
    from whatsnext_formatter_python.formatter import PythonFormatter
    from whatsnext_formatter_python.options import PythonOptions

__all__ = ["PythonFormatter", "PythonOptions"]

__getattr__ = lazy_exports(__name__, {"PythonFormatter": "formatter", "PythonOptions": "options"})
