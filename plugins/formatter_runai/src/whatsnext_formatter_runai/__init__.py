"""Jobs of WhatsNext as workloads of NVIDIA Run:ai."""

from typing import TYPE_CHECKING

from whatsnext_core.lazy import lazy_exports

if TYPE_CHECKING:
    from whatsnext_formatter_runai.formatter import RUNAIFormatter
    from whatsnext_formatter_runai.options import RUNAIOptions

__all__ = ["RUNAIFormatter", "RUNAIOptions"]

__getattr__ = lazy_exports(__name__, {"RUNAIFormatter": "formatter", "RUNAIOptions": "options"})
