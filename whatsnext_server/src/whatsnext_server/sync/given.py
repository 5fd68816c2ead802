"""Which orders clients were given already, so that a standing one does not end every waiting anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from whatsnext_core.sync import Order

REMEMBERED: Final = 10_000
"""Sessions whose last orders are remembered."""


class GivenOrders:
    """Which orders a session was given, and in the answer to which of its requests.

    An order stands until it is done, which may take a while, and is repeated in every answer. Only a new one ends a
    waiting. One counts as given once the client has sent a later request, for then it has seen that answer.
    """

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], dict[Order, int]] = {}

    def has_news(self, session: tuple[str, str], request: int, orders: Iterable[Order]) -> bool:
        """Return whether an order is new to a session that sends the request of this number."""
        given = self._given.get(session, {})
        return any(given.get(order, request) >= request for order in orders)

    def note(self, session: tuple[str, str], request: int, orders: Iterable[Order]) -> None:
        """Note that the answer to the request of this number carries the orders."""
        earlier = self._given.pop(session, {})
        standing = {order: min(earlier.get(order, request), request) for order in orders}
        if standing:
            self._given[session] = standing
            if len(self._given) > REMEMBERED:
                del self._given[next(iter(self._given))]


__all__ = ["GivenOrders"]
