"""Jobs of WhatsNext as calls of Python functions in warm processes."""

from whatsnext_formatter_python.formatter import PythonFormatter
from whatsnext_formatter_python.options import PythonOptions

__all__ = ["PythonFormatter", "PythonOptions"]
