"""Jobs of WhatsNext in containers of Docker or Podman."""

from typing import TYPE_CHECKING

from whatsnext_core.lazy import lazy_exports

if TYPE_CHECKING:
    from whatsnext_formatter_docker.formatter import DockerFormatter
    from whatsnext_formatter_docker.options import DockerOptions

__all__ = ["DockerFormatter", "DockerOptions"]

__getattr__ = lazy_exports(__name__, {"DockerFormatter": "formatter", "DockerOptions": "options"})
