"""An open source: column names, and rows as they are."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.recipients.columns import repeated
from esms_connectors.recipients.delimited import RawRow, source_error
from esms_connectors.recipients.headers import shown


@dataclass(slots=True)
class Rows:
    """
    The rows of an open source.

    Attributes:
        source: its display name: a file name, never a URL with a password.
        names: its columns; for mappings, all that the first hundred have.
        notes: remarks for people who look at the same file, one line each; complete once the rows are read.
    """

    source: str
    names: tuple[str, ...]
    _rows: Iterator[RawRow] = field(repr=False)
    notes: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[RawRow]:
        """
        (line, cells, problem): the line on which the row begins, as an editor counts, or the number of the row if there
        are no lines; the cells in the order of the names; what is wrong with the row as a whole, or None.
        """
        return self._rows


def check_names(source: str, names: Sequence[str], wanted: Sequence[str] | None) -> None:
    """Refuse a repeated name if no columns are wanted; `Columns.locate` checks the wanted ones, others may repeat."""
    if wanted is None and (twice := repeated(names)):
        raise source_error(source, f"has the column {shown(twice)} twice; rename one of the two")


def require(module: str, extra: str, purpose: str) -> Any:
    """Import an optional module; the error names the extra that provides it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ConfigurationError(
            f"{purpose} needs {module.partition('.')[0]}: pip install 'esms-connectors[{extra}]'."
        ) from None
