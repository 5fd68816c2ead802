"""Jobs of WhatsNext as local processes."""

from whatsnext_formatter_cli.formatter import CLIFormatter, CLIOptions

__all__ = ["CLIFormatter", "CLIOptions"]
