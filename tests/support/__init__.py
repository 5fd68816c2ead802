"""What tests share: ports, waiting, and processes of their own."""

from tests.support.network import free_port, free_ports
from tests.support.processes import Daemon, find_program
from tests.support.waiting import wait_until

__all__ = ["Daemon", "find_program", "free_port", "free_ports", "wait_until"]
