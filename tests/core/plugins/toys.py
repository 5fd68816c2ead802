"""Toy distributions: small plugins, laid out as an installer leaves them."""

import textwrap
from pathlib import Path

from attrs import field, frozen

__all__ = ["Toy", "formatter"]


@frozen(kw_only=True)
class Toy:
    """A distribution with one module for each of its plugins."""

    name: str
    """The name of the distribution."""
    version: str | None = "1.0"
    """Its version; None for a distribution whose metadata is damaged."""
    group: str = "toys"
    """The entry-point group of its plugins."""
    plugins: dict[str, str] = field(factory=dict)
    """The source of each plugin's module, by the name of its entry point."""

    def install(self, folder: Path) -> None:
        """Lays the distribution out in a folder of Python's search path."""
        stem = self.name.replace("-", "_")
        info = folder / f"{stem}-{self.version or 0}.dist-info"
        info.mkdir(parents=True)
        if self.version:
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n")
        lines = [f"[{self.group}]"]
        for plugin, source in self.plugins.items():
            module = f"toy_{stem}_{plugin.replace('-', '_')}"
            (folder / f"{module}.py").write_text(textwrap.dedent(source))
            lines.append(f"{plugin} = {module}")
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        (info / "INSTALLER").write_text("toys\n")


def formatter(*names: str) -> str:
    """The source of a plugin that offers formatters of these names."""
    return f"""\
from whatsnext_core.hookspecs import FormatterPlugin, hookimpl


@hookimpl
def whatsnext_formatters():
    return [FormatterPlugin(name=name, summary="A toy.", factory=lambda config: None) for name in {names!r}]
"""
