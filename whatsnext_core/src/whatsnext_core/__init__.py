"""The pure heart of WhatsNext: what a job is, which job runs next, and the contracts that plugins meet.

Nothing in this distribution talks to a network or a database. Decisions (``scheduling``, ``resources``, ``states``,
``dependencies``) are pure functions of a snapshot and a time; storage backends, formatters and probes are contracts
(``storage``, ``formatting``, ``probing``) that plugins implement and find their conformance kits for in ``testing``.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
