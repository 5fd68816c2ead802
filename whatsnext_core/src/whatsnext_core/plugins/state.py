"""What became of an installed plugin, and what it offers."""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, TypeVar

from attrs import field, frozen

D_co = TypeVar("D_co", covariant=True)


class LoadState(StrEnum):
    """Whether a plugin can be used."""

    LOADED = "loaded"
    BROKEN = "broken"
    """Its import, its signature, or one of its hooks failed; it offers nothing."""
    DISABLED = "disabled"
    """The configuration names it; it was not even imported."""


@frozen(kw_only=True)
class PluginState:
    """One installed plugin: an entry point of a distribution, and what became of it."""

    name: str
    """Name of the entry point."""
    distribution: str
    """The distribution that it belongs to."""
    version: str
    """The distribution's version."""
    group: str
    """The entry-point group that it was found in."""
    hooks: tuple[str, ...] = field(default=())
    """The hooks that it implements, sorted."""
    offers: tuple[str, ...] = field(default=())
    """What it offers: ``formatter cli``."""
    state: LoadState = LoadState.LOADED
    """Whether it can be used."""
    error: str | None = None
    """The cause in one line, if it is broken or if another plugin offers something of the same name."""

    @property
    def key(self) -> str:
        """What it is registered as, unique among all plugins: ``group:distribution:name``."""
        return f"{self.group}:{self.distribution}:{self.name}"

    @property
    def title(self) -> str:
        """What it is called in a message."""
        return f"{self.name!r} of {self.distribution} {self.version}"


@frozen(kw_only=True)
class Provided(Generic[D_co]):
    """A descriptor and where it comes from."""

    descriptor: D_co
    """What the plugin's hook returned."""
    plugin: str
    """Name of the plugin's entry point."""
    distribution: str
    """The distribution that the plugin belongs to."""
    version: str
    """The distribution's version."""

    @property
    def source(self) -> str:
        """What names it in a message: ``whatsnext-formatter-cli 0.1.0 (plugin 'formatter-cli')``."""
        return f"{self.distribution} {self.version} (plugin {self.plugin!r})"


__all__ = ["LoadState", "PluginState", "Provided"]
