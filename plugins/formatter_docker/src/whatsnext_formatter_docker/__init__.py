"""Jobs of WhatsNext in containers of Docker or Podman."""

from whatsnext_formatter_docker.formatter import DockerFormatter
from whatsnext_formatter_docker.options import DockerOptions

__all__ = ["DockerFormatter", "DockerOptions"]
