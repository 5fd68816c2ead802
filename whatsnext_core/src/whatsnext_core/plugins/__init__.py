"""Finds the installed plugins, keeps the broken ones from hurting the others, and selects by name."""

from whatsnext_core.plugins.manager import Plugins, load_plugins
from whatsnext_core.plugins.state import LoadState, PluginState, Provided

__all__ = ["LoadState", "PluginState", "Plugins", "Provided", "load_plugins"]
