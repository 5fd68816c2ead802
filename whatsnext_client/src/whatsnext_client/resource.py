"""A part of a client's CPUs and accelerators, set aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from whatsnext_core.errors import InvalidError
from whatsnext_core.model import Allocation, Share
from whatsnext_core.resources import WHOLE

if TYPE_CHECKING:
    from whatsnext_client.client import Client

ACTIVE: Final = "active"
INACTIVE: Final = "inactive"


class Resource:
    """CPUs and accelerators of a client, for one purpose.

    Made by ``Client.allocate_resource``, which sees to it that nobody else gets them until ``Client.free_resource``.

    Args:
        cpu: Number of CPUs.
        accelerator: Ids of the accelerators, or Shares of them.
        client: The client that has them.
    """

    def __init__(self, cpu: int, accelerator: Sequence[str | int | Share], client: Client) -> None:
        self.cpus = cpu
        """Number of CPUs."""
        self.client = client
        """The client that has them."""
        self.shares = tuple(
            each if isinstance(each, Share) else Share(device=str(each), millis=WHOLE) for each in accelerator
        )
        """The accelerators, each with the part of it."""
        self._active = True

    @property
    def accelerator(self) -> list[str]:
        """The ids of the accelerators."""
        return [share.device for share in self.shares]

    @property
    def allocation(self) -> Allocation:
        """The same, as attempts are given it."""
        return Allocation(cpu=self.cpus, devices=self.shares)

    def active(self) -> bool:
        """Return whether it is in use."""
        return self._active

    def set_status(self, status: str) -> None:
        """Make it ``active`` or ``inactive``; an inactive one goes back to its client.

        Raises:
            InvalidError: it is neither word.
        """
        if status.casefold() not in (ACTIVE, INACTIVE):
            raise InvalidError(f"{status!r} is no status of a resource; use {ACTIVE!r} or {INACTIVE!r}.")
        self._active = status.casefold() == ACTIVE
        if not self._active:
            self.client.free_resource(self)

    def __repr__(self) -> str:
        return f"Resource(cpus={self.cpus}, accelerator={self.accelerator}, {ACTIVE if self._active else INACTIVE})"
