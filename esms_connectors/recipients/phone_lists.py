"""A short list of phones as entered in a form, a connection or an argument; the same rules for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from esms_connectors.gateway.characters import plain_ascii
from esms_connectors.gateway.redaction import mask_phone
from esms_connectors.recipients.phones import clean_phone

_BETWEEN = re.compile(r"[,;|\n\r]+")
_BETWEEN_IN_CELL = re.compile(r"[,;|/\\&\n\r]+|\s+-+\s+|\b(?:hoặc|hoac|và|va|or|and)\b", re.IGNORECASE)
_SIGNS_INSIDE = re.compile(r"[\s.\-]+")
_RUN_TOGETHER = re.compile(r"0\d{9}0\d{9}", re.ASCII)
_LIKE_PHONE = re.compile(r"\+?(?:[\s.\-()]*\d){8,14}[\s.\-()]*", re.ASCII)
# A JSON or Python list as text. A parenthesis alone does not make a list: (0901) 888 484 is a number.
_LIST_AS_TEXT = re.compile(r"""\s*(?:\[(?P<square>.*)\]|\((?P<round>\s*["'].*)\))\s*""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PhoneList:
    """
    What was found in a list.

    Attributes:
        numbers: the Vietnamese mobile numbers in the form in which they are sent, each once, in the order given.
        problems: one line for each entry that is not such a number; the entry is masked.
    """

    numbers: tuple[str, ...] = field(default=(), repr=False)
    problems: tuple[str, ...] = ()


def read_phone_list(phones: object) -> PhoneList:
    """
    The numbers in `phones`. Never raises: an invalid entry must not keep the others from getting their message.

    Args:
        phones: a list, tuple, set or other iterable, one number as text or whole number, or one text with several
            numbers, separated by commas, semicolons, `|` or line ends, or as a JSON list. Numbers may contain blanks;
            blanks also separate numbers if that is the only way to read them.
    """
    numbers: dict[str, None] = {}
    problems: list[str] = []
    for position, entry in enumerate(_entries(phones), 1):
        found, reason = _read_entry(entry)
        numbers.update(dict.fromkeys(found))
        if reason:
            shown = mask_phone(str(entry)) if isinstance(entry, str | int | float) else type(entry).__name__
            problems.append(f"phone {position} ({shown}) is not a Vietnamese mobile number: {reason}")
    return PhoneList(tuple(numbers), tuple(problems))


def numbers_in_cell(cell: object) -> list[str]:
    """
    The mobile numbers of a cell that holds at least two complete numbers, each once; empty if it does not. Landlines
    and foreign numbers count as numbers, but are not returned.
    """
    if not isinstance(cell, str):
        return []
    parts = [part.strip() for part in _BETWEEN_IN_CELL.split(plain_ascii(cell))]
    numbers = [_several(part) or [part] for part in parts if part]
    entries = [one for some in numbers for one in some]
    if len(entries) < 2 or not all(map(_LIKE_PHONE.fullmatch, entries)):
        return []
    return list(dict.fromkeys(number for one in entries if (number := clean_phone(one).number)))


def _several(part: str) -> list[str]:
    """Numbers separated by a blank, a dash, a dot or nothing; empty if these signs are part of a single number."""
    if clean_phone(part).number:
        return []
    if _RUN_TOGETHER.fullmatch(part):
        return _split_at_blanks([part[:10], part[10:]])
    return _split_at_blanks(_SIGNS_INSIDE.split(part))


def _read_entry(entry: object) -> tuple[list[str], str]:
    """The numbers of one entry, and what is wrong with the rest of it, or with all of it."""
    one = clean_phone(entry)
    if one.number or not isinstance(entry, str):
        return [one.number] if one.number else [], one.reason
    words = entry.split()
    if found := _split_at_blanks(words):
        return found, ""
    # Not all of it can be read; each word that is a complete number still counts.
    whole = [clean_phone(word).number for word in words]
    return [number for number in whole if number], one.reason


def _entries(phones: object) -> Iterator[object]:
    if isinstance(phones, bytes):
        phones = phones.decode(errors="replace")
    if isinstance(phones, str):
        if found := _LIST_AS_TEXT.fullmatch(phones):
            phones = found["square"] or found["round"] or ""
        for part in _BETWEEN.split(phones):
            if part := part.strip().strip("\"'").strip():
                yield part
    elif isinstance(phones, Iterable) and not isinstance(phones, Mapping):
        for one in phones:
            yield from _entries(one) if isinstance(one, str) else [one]
    elif phones is not None:
        yield phones


def _split_at_blanks(words: list[str]) -> list[str]:
    """Split `words` into numbers of one or more words each; empty if words are left over."""
    # readings[n]: the numbers that the first n words form.
    readings: list[list[str] | None] = [[]]
    for end in range(1, len(words) + 1):
        readings.append(None)
        # A number has at most 14 digits, and is not written digit by digit with blanks between.
        for begin in range(end - 1, max(-1, end - 9), -1):
            before = readings[begin]
            number = clean_phone("".join(words[begin:end])).number if before is not None else ""
            if before is not None and number:
                readings[end] = [*before, number]
                break
    return readings[-1] or []
