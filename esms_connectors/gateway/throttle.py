"""Limits the requests per second of one client, or of several workers together."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from esms_connectors.gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from pyrate_limiter import Limiter


@runtime_checkable
class Throttle(Protocol):
    """
    Permits single requests. Called by many threads at once.

    Any object with this method can be used; `PyrateThrottle` takes a limiter whose bucket is in Redis or PostgreSQL,
    so that workers on several machines share one limit.
    """

    def acquire(self, timeout_seconds: float) -> bool:
        """Wait at most `timeout_seconds` for permission; False if there is none by then."""
        ...


class PyrateThrottle:
    """A limiter of the pyrate-limiter library, with any of its buckets."""

    def __init__(self, limiter: Limiter, *, name: str = "esms") -> None:
        self._limiter = limiter
        self._name = name

    @classmethod
    def per_second(cls, requests_per_second: float) -> PyrateThrottle:
        """A limit for this process: 20 is twenty per second, 0.5 is one every two seconds."""
        # Imported here: it imports asyncio, and most clients set no limit.
        from pyrate_limiter import Limiter, Rate

        if not 0 < requests_per_second < math.inf:
            raise ConfigurationError(f"Requests per second must be a number above 0, not {requests_per_second}.")
        share = Fraction(requests_per_second).limit_denominator(600)
        if share == 0:
            raise ConfigurationError("Requests per second must be at least one in ten minutes.")
        return cls(Limiter(Rate(share.numerator, share.denominator * 1000)))

    def acquire(self, timeout_seconds: float) -> bool:
        # The library takes -1 as "no timeout"; the result of a synchronous bucket is a plain bool.
        return bool(self._limiter.try_acquire(self._name, timeout=max(0.0, timeout_seconds)))

    def close(self) -> None:
        self._limiter.close()


def as_throttle(throttle: float | Throttle | None) -> Throttle | None:
    """A throttle from a number of requests per second; the caller's own throttle and None are returned unchanged."""
    if throttle is None:
        return None
    if isinstance(throttle, int | float) and not isinstance(throttle, bool):
        return PyrateThrottle.per_second(throttle)
    if isinstance(throttle, Throttle):
        return throttle
    raise ConfigurationError("throttle takes a number of requests per second or an object with acquire(seconds).")
