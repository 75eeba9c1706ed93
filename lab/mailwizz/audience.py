"""Whom a campaign writes to next: its list, walked in a fixed order that looks random, over and over."""

from collections.abc import Collection, Sequence
from math import gcd
from typing import NamedTuple


class Subscriber(NamedTuple):
    subscriber_id: int
    uid: str
    email: str


class Audience:
    """The subscribers of a list. `position` says where the walk begins (any whole number)."""

    def __init__(self, subscribers: Sequence[Subscriber], position: int = 0) -> None:
        self._subscribers = subscribers
        self.position = position
        self._stride = max(1, int(len(subscribers) * 0.618))
        while gcd(self._stride, max(len(subscribers), 1)) != 1:
            self._stride += 1

    def __len__(self) -> int:
        return len(self._subscribers)

    def draw(self, excluded: Collection[int]) -> Subscriber | None:
        """The next subscriber whose id is not excluded; None if nobody is left."""
        size = len(self._subscribers)
        for _ in range(size):
            self.position += 1
            subscriber = self._subscribers[self.position * self._stride % size]
            if subscriber.subscriber_id not in excluded:
                return subscriber
        return None
