"""The server of WhatsNext: the REST API, the one writer behind it, and what keeps the queue moving."""

__version__ = "0.1.0"

__all__ = ["__version__"]
