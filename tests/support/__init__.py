"""What tests share: ports, waiting, processes of their own, and what the repository holds."""

from tests.support.network import free_port, free_ports
from tests.support.processes import Daemon, find_program
from tests.support.repository import ROOT, Distribution, distributions, tool_settings, tracked_files
from tests.support.waiting import wait_until

__all__ = [
    "ROOT",
    "Daemon",
    "Distribution",
    "distributions",
    "find_program",
    "free_port",
    "free_ports",
    "tool_settings",
    "tracked_files",
    "wait_until",
]
