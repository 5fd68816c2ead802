"""Jobs of WhatsNext as workloads of NVIDIA Run:ai."""

from whatsnext_formatter_runai.formatter import RUNAIFormatter
from whatsnext_formatter_runai.options import RUNAIOptions

__all__ = ["RUNAIFormatter", "RUNAIOptions"]
