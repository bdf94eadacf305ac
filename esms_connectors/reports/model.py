"""
What a report says, as plain values: no language, no looks, no database.

Every name of a table, a column or a figure, and every Term, is a key that `language.py` puts into words. Tables are
bounded: however many messages a period has, a report holds some hundred rows. Only the table `recipients`, there when
somebody asked for phones, is longer.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

Cell = str | int | float | Decimal | date | datetime | None
"""None: not known, or it means nothing here (a share of nothing)."""

Row = tuple[Cell, ...]


class Term(str):
    """A key among cells that are otherwise shown as they are, such as `others` among names of campaigns."""

    __slots__ = ()


class Kind(enum.StrEnum):
    """What the cells of a column are."""

    TEXT = "text"  # str, shown as it is: the name of a campaign, a code; or a Term
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
    Something that a reader must know about the numbers.

    Attributes:
        name: `Language.note` has the sentence, into which `values` go.
        warning: the numbers are not complete, or not final: to be seen before them.
    """

    name: str
    values: Mapping[str, Cell] = field(default_factory=dict)
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """
    Attributes:
        rows: cells in the order of the columns, in the order they should be read in.
        total: a row over all of them, where one means something.
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
        before: the same of the period before; None where that was not loaded, or it means nothing.
        more_is_better: None where neither is (a cost).
    """

    name: str
    kind: Kind
    value: Cell
    before: Cell = None
    more_is_better: bool | None = None

    @property
    def change(self) -> float | None:
        """By how much it went up, as a share of the value before: 0.1 is 10 % more. Of a share: in its own points."""
        if not isinstance(self.value, (int, float, Decimal)) or not isinstance(self.before, (int, float, Decimal)):
            return None
        if self.kind is Kind.SHARE:
            return float(self.value) - float(self.before)
        return float(self.value) / float(self.before) - 1 if self.before else None


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` until before `end`; aware, in the time of Vietnam."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """
    Attributes:
        made_at: when the numbers were asked for, aware.
        sources: names of the warehouse, and of the ledger if there was one; without passwords.
        headline: in the order of importance.
        tables: by name, in the order they are read in; `tables.py` has their columns. A table without rows is there,
            except: `chains` and `handed_on` where no campaign has a fallback, `carriers` where phones are not kept in a
            form that tells, `recipients` unless asked for.
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
