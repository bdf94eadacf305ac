"""
Every setting of the emulator by name, for the command line: `name=value`.

A name is a field of `EmulatorConfig`, `Progress`, `Callbacks` or `Quirks`, optionally with its group
(`quirks.night_zns`), or a path to an account setting: `balance_vnd`, `template.267247.status`,
`oa.4097311281936189049.daily_quota`, `brandname.Baotrixemay.price_vnd`.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from .config import Callbacks, EmulatorConfig, Progress, Quirks
from .world import Account, Brandname, OfficialAccount, ZnsTemplate

_GROUPS: tuple[tuple[str, type], ...] = (
    ("", EmulatorConfig),
    ("progress", Progress),
    ("callbacks", Callbacks),
    ("quirks", Quirks),
)
_NOT_SETTINGS = frozenset({"accounts", "progress", "callbacks", "quirks", "seed"})
_OF_ACCOUNT: dict[str, tuple[str, str, type]] = {
    "template": ("templates", "template_id", ZnsTemplate),
    "oa": ("official_accounts", "oa_id", OfficialAccount),
    "brandname": ("brandnames", "name", Brandname),
}
_MAY_BE_NEGATIVE = frozenset({"time_zone_hours", "date_offset_seconds"})
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class SettingError(ValueError):
    """An invalid setting; the message is one line that says what is accepted."""


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name, group, type and default."""

    name: str
    group: str
    kind: Any
    default: Any

    @property
    def takes(self) -> str:
        """The accepted values."""
        return _takes(self.kind, self.name)


def settings() -> Iterator[Setting]:
    """All settings that are plain names, in the order of the class fields."""
    for group, owner in _GROUPS:
        kinds, defaults = typing.get_type_hints(owner), owner()
        for field in dataclasses.fields(owner):
            if group or field.name not in _NOT_SETTINGS:
                yield Setting(field.name, group, kinds[field.name], getattr(defaults, field.name))


def listed_settings() -> list[str]:
    """One line per setting: `name=default` and the accepted values."""
    plain = [
        f"{setting.group}{'.' * bool(setting.group)}{setting.name}={_text(setting.default)}  ({setting.takes})"
        for setting in settings()
    ]
    named = [
        f"{about}.NAME.{field.name}  ({_takes(typing.get_type_hints(owner)[field.name])})"
        for about, (_, key, owner) in _OF_ACCOUNT.items()
        for field in dataclasses.fields(owner)
        if field.name != key and _readable(typing.get_type_hints(owner)[field.name])
    ]
    return [*plain, "balance_vnd  (an amount)", *named]


def configured(given: Iterable[str], *, seed: int = 2024) -> EmulatorConfig:
    """
    A configuration with these `name=value` settings; of a repeated name the last value counts.

    Raises:
        SettingError: an unknown name, or an invalid value.
    """
    known = {setting.name: setting for setting in settings()}
    known |= {f"{setting.group}.{setting.name}": setting for setting in known.values() if setting.group}
    values: dict[str, dict[str, Any]] = {group: {} for group, _ in _GROUPS}
    account = EmulatorConfig().accounts[0]
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals:
            raise SettingError(f"{text!r} is not a setting: write name=value.")
        setting = known.get(name)
        if setting is not None:
            values[setting.group][setting.name] = _value(name, setting.kind, value.strip())
        else:
            account = _changed(account, name, value.strip(), known)
    return EmulatorConfig(
        seed=seed,
        accounts=(account,),
        progress=Progress(**values["progress"]),
        callbacks=Callbacks(**values["callbacks"]),
        quirks=Quirks(**values["quirks"]),
        **values[""],
    )


def _changed(account: Account, name: str, value: str, known: Iterable[str]) -> Account:
    if name == "balance_vnd":
        return dataclasses.replace(account, balance_vnd=_value(name, Decimal, value))
    about, _, rest = name.partition(".")
    which, _, member = rest.rpartition(".")
    if about not in _OF_ACCOUNT or not which:
        raise SettingError(_unknown(name, [*known, "balance_vnd"]))
    collection, key, owner = _OF_ACCOUNT[about]
    kinds = typing.get_type_hints(owner)
    if member == key or not _readable(kinds.get(member)):
        members = [field for field in kinds if field != key and _readable(kinds[field])]
        raise SettingError(f"{name!r}: {_unknown(member, members)}")
    items = {getattr(item, key): item for item in getattr(account, collection)}
    if which not in items:
        raise SettingError(f"{name!r}: there is no {about} {which!r}; there are {', '.join(sorted(items))}.")
    items[which] = dataclasses.replace(items[which], **{member: _value(name, kinds[member], value)})
    changes: dict[str, Any] = {collection: tuple(items.values())}
    return dataclasses.replace(account, **changes)


def quirk_value(name: str, value: Any) -> Any:
    """
    The value of one quirk, from JSON or text.

    Raises:
        SettingError: an unknown quirk, or an invalid value.
    """
    kinds = {setting.name: setting.kind for setting in settings() if setting.group == "quirks"}
    if name not in kinds:
        raise SettingError(f"no such quirk: {name}; there are {', '.join(sorted(kinds))}")
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else _text(value)
    return _value(name, kinds[name], text)


def _unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else " --list-settings shows all."
    return f"There is no setting {name!r}.{hint}"


def _optional(kind: Any) -> Any:
    """X for a type `X | None`; None for any other type."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next(part for part in typing.get_args(kind) if part is not type(None))
    return None


def _readable(kind: Any) -> bool:
    if kind is None:
        return False
    item = _optional(kind) or kind
    origin = typing.get_origin(item)
    if origin in (tuple, frozenset):
        return typing.get_args(item)[0] in (str, float)
    return origin is Literal or item in (bool, int, float, str, Decimal)


def _takes(kind: Any, name: str = "") -> str:
    if name.endswith("_share"):
        return "a number from 0 to 1"
    inner = _optional(kind)
    if inner is not None:
        return f"{_takes(inner)}, or none"
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return " | ".join(arguments)
    if origin is tuple and arguments[0] is float:
        return "low,high"
    if origin in (tuple, frozenset):
        return "values separated by commas"
    words = {bool: "true | false", int: "a whole number", float: "a number", str: "text", Decimal: "an amount"}
    return words[kind]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    return ",".join(map(str, value)) if isinstance(value, (tuple, frozenset)) else str(value)


def _value(name: str, kind: Any, text: str) -> Any:
    inner = _optional(kind)
    if inner is not None:
        return None if text.lower() in ("", "none") else _value(name, inner, text)
    try:
        value = _plain_value(kind, text)
        if isinstance(value, (int, float, Decimal)) and not _allowed(name, value):
            raise ValueError(text)
        return value
    except (ValueError, KeyError, InvalidOperation):
        raise SettingError(f"{name}={text}: it takes {_takes(kind, name)}.") from None


def _plain_value(kind: Any, text: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if text not in arguments:
            raise ValueError(text)
        return text
    if kind is bool:
        return _WORDS[text.lower()]
    if origin in (tuple, frozenset):
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if arguments[0] is not float:
            return origin(parts)
        low, high = map(_number, parts)
        if not 0 <= low <= high:
            raise ValueError(text)
        return low, high
    if kind in (float, int):
        return kind(_number(text)) if kind is float else int(text)
    return kind(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _allowed(name: str, value: float | Decimal) -> bool:
    member = name.rpartition(".")[2]
    if member in _MAY_BE_NEGATIVE:
        return True
    return value >= 0 and not (member.endswith("_share") and value > 1)
