"""Converts plain values (command lines, templates, JSON) to argument types, and models back to plain values."""

from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pendulum import DateTime

from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.redaction import mask_keys, mask_phone
from esms_connectors.gateway.times import read_time

_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def from_plain(value: Any, hint: Any, name: str, *, now: DateTime | None = None) -> Any:
    """
    A value of the type `hint`.

    Args:
        name: of the argument, for the error.
        now: the reference for relative times; default: the clock.

    Raises:
        InvalidRequestError: the value cannot be converted.
    """
    kinds = _kinds_of(hint)
    if value is None and type(None) in kinds:
        return None
    kinds = [kind for kind in kinds if kind is not type(None)]
    for kind in kinds:
        plain_kind = typing.get_origin(kind) or kind
        # Neither a mapping nor a text may pass as the sequence of its keys or letters.
        if plain_kind is Sequence:
            return _list(value, kind, name)
        if plain_kind is Mapping and (str not in kinds or not isinstance(value, str)):
            return _mapping(value, name)
        if kind in (datetime, date):
            return _time(value, name, now) if kind is datetime else _day(value, name, now)
        if (reader := _READERS.get(kind)) is not None and not (kind is int and len(kinds) > 1):
            return reader(value, name)
        if isinstance(kind, type) and issubclass(kind, enum.IntEnum):
            return _enum(value, kind, name)
        if isinstance(kind, type) and is_dataclass(kind):
            return _object(value, kind, name)
    return value


def plain_number(value: Decimal) -> int | float | str:
    """A decimal for JSON: a number if that is exact, else a text."""
    if not value.is_finite():
        return str(value)
    number = int(value) if value == value.to_integral_value() else float(value)
    return number if number == value else str(value)


def hint_words(hint: Any) -> str:
    """The values that an argument of this type takes, in words."""
    kinds = [kind for kind in _kinds_of(hint) if kind is not type(None)]
    kind = kinds[0]
    if isinstance(kind, type) and issubclass(kind, enum.IntEnum):
        return ", ".join(f"{one.value} {one.name.lower()}" for one in kind)
    origin = typing.get_origin(kind)
    if origin is Sequence:
        of = _kinds_of(typing.get_args(kind)[0])[0]
        if isinstance(of, type) and is_dataclass(of):
            return f"JSON list of objects with {', '.join(one.name for one in fields(of))}"
        return "JSON list of objects" if typing.get_origin(of) is Mapping else "JSON list, or repeat it"
    if origin is Mapping:
        return "JSON object"
    return _WORDS.get(kind, "text")


def as_plain(value: Any, *, show_phones: bool = True) -> Any:
    """
    A model as values for JSON, without keys of the account and, unless `show_phones`, with masked phones.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _member(one.name, getattr(value, one.name), show_phones) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_plain(item, show_phones=show_phones) for key, item in value.items()}
    if isinstance(value, list | tuple | Iterator):
        return [as_plain(item, show_phones=show_phones) for item in value]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal | EsmsError):
        return str(value)
    return mask_keys(value) if isinstance(value, str) else value


def _member(name: str, value: Any, show_phones: bool) -> Any:
    if name == "phone" and isinstance(value, str) and not show_phones:
        return mask_phone(value)
    return as_plain(value, show_phones=show_phones)


def _kinds_of(hint: Any) -> list[Any]:
    return list(typing.get_args(hint)) if isinstance(hint, types.UnionType) else [hint]


def _refuse(name: str, wanted: str) -> InvalidRequestError:
    return InvalidRequestError(f"{name} takes {wanted}.", field=name)


def _json(value: Any, name: str, wanted: str) -> Any:
    """Parse a text as JSON; other values are returned unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise _refuse(name, wanted) from None


def _list(value: Any, kind: Any, name: str) -> list[Any]:
    of = typing.get_args(kind)[0] if typing.get_args(kind) else str
    if isinstance(value, str):
        looks_like_json = value.lstrip()[:1] in ("[", "{")
        value = _json(value, name, "a JSON list") if looks_like_json else [value]
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list | tuple):
        raise _refuse(name, "a list")
    return [from_plain(one, of, name) if of is not object else one for one in value]


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    found = _json(value, name, "a JSON object")
    if not isinstance(found, Mapping):
        raise _refuse(name, "a JSON object")
    return found


def _object(value: Any, kind: type[Any], name: str) -> Any:
    if isinstance(value, kind):
        return value
    found = _mapping(value, name)
    known = {one.name: one for one in fields(kind)}
    if strange := set(found) - set(known):
        raise _refuse(name, f"objects with {', '.join(known)}; {sorted(map(str, strange))[0]!r} is none of them")
    needed = [one for one, about in known.items() if about.default is MISSING and about.default_factory is MISSING]
    if missing := [one for one in needed if one not in found]:
        raise _refuse(name, f"objects with {', '.join(needed)}; {missing[0]} is missing")
    return kind(**found)


def _enum(value: Any, kind: type[enum.IntEnum], name: str) -> enum.IntEnum:
    text = str(value).strip()
    for one in kind:
        if text == str(one.value) or text.casefold() == one.name.casefold():
            return one
    raise _refuse(name, f"one of {hint_words(kind)}")


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _refuse(name, f"text, not {type(value).__name__}: long ids lose digits as numbers")
    return value


def _bool(value: Any, name: str) -> bool:
    text = str(value).strip().casefold()
    if text not in (*_TRUE, *_FALSE):
        raise _refuse(name, "true or false")
    return text in _TRUE


def _whole_number(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _refuse(name, "a whole number")
    try:
        return int(value)
    except ValueError:
        raise _refuse(name, "a whole number") from None


def _time(value: Any, name: str, now: DateTime | None) -> datetime:
    if not isinstance(value, datetime | str):
        raise _refuse(name, "a time such as '2026-11-21 08:30'")
    return read_time(value, name, now=now)


def _day(value: Any, name: str, now: DateTime | None) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return _time(value, name, now).date()


_READERS: Mapping[Any, Callable[[Any, str], Any]] = {
    str: _text,
    bool: _bool,
    int: _whole_number,
}
_WORDS = {bool: "true or false", int: "whole number", datetime: "time", date: "day"}
