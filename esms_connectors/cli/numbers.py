"""Numbers of options, with limits on both sides: sums with times overflow far from any useful value."""

from __future__ import annotations

import math
from typing import Any

import click


class Number(click.FloatRange):
    """A number from `lowest` to `highest`; click's own range lets NaN pass."""

    def __init__(self, lowest: float, highest: float, *, above: bool = False) -> None:
        super().__init__(lowest, highest, min_open=above)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{number} is not in the range {self._describe_range()}.", param, ctx)
        return number


SHARE = Number(0, 1)
SECONDS_BETWEEN = Number(0.05, 86_400)
DAYS = click.IntRange(1, 36_500)
