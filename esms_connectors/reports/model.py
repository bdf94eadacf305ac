"""
The content of a report as plain values, independent of language, layout and database.

Every name of a table, a column or a figure, and every Term, is a key that `language.py` translates. Tables are bounded:
a report holds a few hundred rows, however many messages a period has. Only the table `recipients`, which is present if
phones were requested, is longer.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

Cell = str | int | float | Decimal | date | datetime | None
"""None: not known, or not applicable (a share of zero messages)."""

Row = tuple[Cell, ...]


class Term(str):
    """A key to translate among cells that are shown unchanged, such as `others` among campaign names."""

    __slots__ = ()


class Kind(enum.StrEnum):
    """The type of a column's cells."""

    TEXT = "text"  # str, shown unchanged, such as a campaign name or a code; or a Term
    TERM = "term"  # Term
    COUNT = "count"  # int
    MONEY = "money"  # Decimal, VND
    SHARE = "share"  # float; 0.25 is 25 %
    DURATION = "duration"  # float, seconds
    DAY = "day"  # date, in Vietnam
    MOMENT = "moment"  # datetime, aware


@dataclass(frozen=True, slots=True)
class Column:
    """A column; its heading is `Language.column(table, name)`."""

    name: str
    kind: Kind

    @property
    def is_number(self) -> bool:
        return self.kind in (Kind.COUNT, Kind.MONEY, Kind.SHARE, Kind.DURATION)


@dataclass(frozen=True, slots=True)
class Note:
    """
    A remark on the numbers for the reader.

    Attributes:
        name: key of the sentence in `Language.note`, which `values` are inserted into.
        warning: the numbers are not complete or not final; shown before them.
    """

    name: str
    values: Mapping[str, Cell] = field(default_factory=dict)
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """
    Attributes:
        rows: cells in the order of the columns; rows in display order.
        total: a total row, if applicable.
    """

    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: Row | None = None
    notes: tuple[Note, ...] = ()

    def values(self, column: str) -> list[Cell]:
        """A column's cells, without the total."""
        position = [one.name for one in self.columns].index(column)
        return [row[position] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One number of the headline.

    Attributes:
        before: the value in the period before; None if that was not loaded, or not applicable.
        more_is_better: None if neither direction is better (a cost).
    """

    name: str
    kind: Kind
    value: Cell
    before: Cell = None
    more_is_better: bool | None = None

    @property
    def change(self) -> float | None:
        """The increase relative to the value before: 0.1 is 10 % more. For a share: the difference."""
        if not isinstance(self.value, (int, float, Decimal)) or not isinstance(self.before, (int, float, Decimal)):
            return None
        if self.kind is Kind.SHARE:
            return float(self.value) - float(self.before)
        return float(self.value) / float(self.before) - 1 if self.before else None


@dataclass(frozen=True, slots=True)
class Period:
    """[start, end); aware, in Vietnamese local time."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """
    Attributes:
        made_at: when the numbers were queried, aware.
        sources: names of the warehouse, and of the ledger if there was one; without passwords.
        headline: figures in order of importance.
        tables: by name, in display order; `tables.py` defines their columns. Tables without rows are included, except
            `chains` and `handed_on` if no campaign has a fallback, `carriers` if the stored form of phones hides the
            prefix, and `recipients` unless requested.
        notes: about the report as a whole; warnings first.
    """

    period: Period
    before: Period
    made_at: datetime
    sources: tuple[str, ...]
    headline: tuple[Figure, ...]
    tables: Mapping[str, Table]
    notes: tuple[Note, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every window is loaded and every row final."""
        return not any(note.warning for note in self.notes)
