"""Formats a number with its noun."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """`1 row`, `1,200 rows`; `many` is the plural if it is irregular."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
