"""Column names as people and programs write them, and the row that has them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from esms_connectors.gateway.characters import CONTROL, INVISIBLE, code_point, is_hidden, is_vietnamese_letter

# How many rows are searched for the header: titles, logos and blank rows may be above it.
LOOKED_AT = 50
_INVISIBLE = re.compile(f"[{INVISIBLE}{CONTROL}]")


def fold(name: str) -> str:
    """
    A column name as it is compared: letters composed (macOS decomposes them), without invisible characters, with single
    blanks for blanks and line breaks, and none around it. Case is kept.
    """
    if name.isascii() and name.isprintable() and "  " not in name:
        return name.strip()
    return " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFC", name)).split())


def shown(name: str) -> str:
    """A name with characters that are invisible, or easily mistaken for others, written as U+XXXX."""
    return "".join(f"<{code_point(one)}>" if is_hidden(one) else one for one in name)


def odd_characters(name: str) -> str:
    """The letters of a name that only look like Latin ones, as `U+0440, U+0435`."""
    odd = dict.fromkeys(one for one in name if ord(one) > 0x7F and not is_vietnamese_letter(one))
    return ", ".join(map(code_point, odd))


def find_header(rows: Sequence[Sequence[object]], wanted: Iterable[str] | None) -> int | None:
    """
    The position of the row that has the most of the wanted names; if none is known or found, that of the first row
    that looks like a header. None if there is no such row.
    """
    folded = [[fold(cell) if isinstance(cell, str) else "" for cell in row] for row in rows]
    names = {fold(name) for name in wanted or ()}
    counts = [len(names.intersection(row)) for row in folded]
    if any(counts):
        return counts.index(max(counts))
    filled = [sum(cell != "" for cell in row) for row in folded]
    widest = max((sum(cell is not None and cell != "" for cell in row) for row in rows), default=0)
    return next((at for at, count in enumerate(filled) if count and 2 * count > widest), None) if widest else None


def has_all(row: Iterable[object], wanted: Iterable[str]) -> bool:
    names = {fold(cell) for cell in row if isinstance(cell, str)}
    return all(fold(name) in names for name in wanted)
