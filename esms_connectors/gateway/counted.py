"""A number and what it counts, for people."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """`1 row`, `1,200 rows`; `many` where an `s` does not do."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
