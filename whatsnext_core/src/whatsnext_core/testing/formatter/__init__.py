"""The conformance kit for authors of formatters."""

from whatsnext_core.testing.formatter.conformance import FormatterConformance
from whatsnext_core.testing.formatter.jobs import Finished, Jobs

__all__ = ["Finished", "FormatterConformance", "Jobs"]
