"""
The guard settings in force, and their origins: the same values for the command line, Airflow and Prefect.

A settings file is TOML with a table `[guard]`; its names are those of `GuardSettings`. An Airflow connection has the
same names in the object `guard` of its extra, a Prefect block in its field `guard`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.sending.channels.base import MessageClass
from esms_connectors.sending.guard.hours import HoursPolicy, OpenHours
from esms_connectors.sending.guard.rules import RuleName
from esms_connectors.sending.guard.text import OPT_OUT_WORDS

SETTINGS_FILE_VARIABLE = "ESMS_SETTINGS"
DEFAULT = "default"
_FROM_SIX, _FROM_SEVEN = OpenHours(6 * 60, 22 * 60), OpenHours(7 * 60, 22 * 60)
_MOST_VND = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class Override:
    """A rule that was set aside: which, by whom, and why."""

    rule: str
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """
    The rules in force.

    Attributes:
        advertising_hours, promotion_hours, transaction_hours, care_hours: what happens to a message of this class
            outside its hours: refuse, reschedule, defer or allow.
        advertising_open, promotion_open, transaction_open, care_open: its hours in Vietnam, such as 07:00-22:00.
        spread_minutes: rescheduled calls are spread over this many minutes from the opening on.
        label, opt_out: whether an advertising text without a label, or without a way to opt out, is refused.
        opt_out_words: each of them counts as a way to opt out; compared without case and diacritics.
        max_segments: of an SMS.
        advertising_cap, promotion_cap, transaction_cap, care_cap: messages of this class to a phone in `cap_hours`;
            None for no limit.
        suppress_care: whether the suppression list also holds back care and transaction messages.
        max_cost_vnd: of a run; max_cost_month_vnd: of all runs of a ledger in a month of Vietnam. None for no limit.
        low_balance: whether to warn or refuse if the balance does not cover the run.
        per_hour: maximum number of messages of a run per hour; None for no limit.
        hours: what happens to messages of any class outside their hours; None applies the setting of each class.
        suppression: whether the suppression list holds back advertising and promotions.
        canary: the number of first rows that are sent before the others; None for no canary.
        canary_share: share of them that must arrive, above 0 and up to 1; otherwise the others are not sent.
        canary_wait_minutes: how long to wait for their states; canary_poll_seconds: between two polls.
        overrides: rules that were set aside, for the record.
    """

    advertising_hours: HoursPolicy = HoursPolicy.REFUSE
    advertising_open: OpenHours = _FROM_SEVEN
    promotion_hours: HoursPolicy = HoursPolicy.REFUSE
    promotion_open: OpenHours = _FROM_SIX
    transaction_hours: HoursPolicy = HoursPolicy.ALLOW
    transaction_open: OpenHours = _FROM_SIX
    care_hours: HoursPolicy = HoursPolicy.ALLOW
    care_open: OpenHours = _FROM_SEVEN
    spread_minutes: int = 60
    label: bool = True
    opt_out: bool = True
    opt_out_words: tuple[str, ...] = OPT_OUT_WORDS
    max_segments: int = 5
    advertising_cap: int | None = 3
    promotion_cap: int | None = None
    transaction_cap: int | None = None
    care_cap: int | None = None
    cap_hours: int = 24
    suppress_care: bool = False
    max_cost_vnd: Decimal | None = None
    max_cost_month_vnd: Decimal | None = None
    low_balance: str = "warn"
    per_hour: int | None = None
    hours: HoursPolicy | None = None
    suppression: bool = True
    canary: int | None = None
    canary_share: float = 0.9
    canary_wait_minutes: int = 60
    canary_poll_seconds: int = 30
    overrides: tuple[Override, ...] = ()

    def uncounted(self) -> GuardSettings:
        """Without the rules that count messages or money: messages of a sandbox are never sent."""
        caps: dict[str, Any] = dict.fromkeys(("advertising_cap", "promotion_cap", "transaction_cap", "care_cap"))
        return replace(self, **caps, max_cost_vnd=None, max_cost_month_vnd=None)

    def hours_policy(self, message_class: MessageClass) -> HoursPolicy:
        """What happens to a message of this class outside its hours."""
        if self.hours is not None:
            return self.hours
        policy: HoursPolicy = getattr(self, f"{message_class.value}_hours")
        return policy

    def open_hours(self, message_class: MessageClass) -> OpenHours:
        """The hours in Vietnam in which a message of this class may arrive."""
        hours: OpenHours = getattr(self, f"{message_class.value}_open")
        return hours

    def cap(self, message_class: MessageClass) -> int | None:
        """Messages of this class that a phone may get in `cap_hours`; None for no limit."""
        most: int | None = getattr(self, f"{message_class.value}_cap")
        return most

    def suppresses(self, message_class: MessageClass) -> bool:
        """Whether the suppression list holds back messages of this class."""
        return self.suppression and (
            self.suppress_care or message_class in (MessageClass.ADVERTISING, MessageClass.PROMOTION)
        )

    @property
    def has_budget(self) -> bool:
        return self.max_cost_vnd is not None or self.max_cost_month_vnd is not None

    def changed(self, given: Mapping[str, object]) -> GuardSettings:
        """
        These settings with some replaced, given as text, numbers or values; None leaves a setting unchanged.

        Raises:
            InvalidRequestError: an unknown name, or a value that cannot be used.
        """
        chosen = {name: value for name, value in given.items() if value is not None}
        if unknown := sorted(set(chosen) - set(_READERS)):
            raise InvalidRequestError(
                f"The guard has no setting {unknown[0]!r}; known are {', '.join(_READERS)}.", field=unknown[0]
            )
        return replace(self, **{name: _READERS[name](name, value) for name, value in chosen.items()})

    def overriding(self, rules: Sequence[str], *, who: str, reason: str | None) -> GuardSettings:
        """
        These settings without the overridden rules; a run that is sent this way records the overrides.

        Raises:
            InvalidRequestError: no such rule, one that cannot be set aside, or no reason.
        """
        if not rules and not reason:
            return self
        if not rules or not (reason and reason.strip()):
            raise InvalidRequestError(
                "--override and --override-reason go together (overrides and override_reason in Python): which rules "
                "are overridden, and why.",
                field="override",
            )
        names = []
        for rule in rules:
            if rule not in _OUT_OF_FORCE:
                known = ", ".join(_OUT_OF_FORCE)
                raise InvalidRequestError(
                    f"There is no rule {rule!r} to override; known are {known}. `esms resume` undoes a stop.",
                    field="override",
                )
            names.append(RuleName(rule))
        changes = {name: value for rule in names for name, value in _OUT_OF_FORCE[rule].items()}
        recorded = tuple(Override(rule.value, who, reason.strip()) for rule in names)
        return replace(self, **changes, overrides=(*self.overrides, *recorded))

    def as_dict(self) -> dict[str, Any]:
        """For JSON: plain values, by name."""
        return {name: _plain(getattr(self, name)) for name in _READERS}


def _plain(value: object) -> object:
    match value:
        case OpenHours() | HoursPolicy():
            return str(value)
        case Decimal():
            return int(value)
        case tuple():
            return list(value)
    return value


def _policy(name: str, value: object) -> HoursPolicy:
    try:
        return HoursPolicy(str(value).strip().lower())
    except ValueError:
        known = ", ".join(HoursPolicy)
        raise InvalidRequestError(f"{name} is one of {known}, not {value!r}.", field=name) from None


def _flag(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    found = words.get(str(value).strip().lower())
    if found is None:
        raise InvalidRequestError(f"{name} is true or false, not {value!r}.", field=name)
    return found


def _whole(name: str, value: object) -> int:
    text = str(value).strip()
    # Python treats a bool as a number; here it is a mistake.
    if isinstance(value, bool) or not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 10**9:
        raise InvalidRequestError(f"{name} is a whole number of at least 1, not {value!r}.", field=name)
    return int(text)


def _whole_or_any(name: str, value: object) -> int | None:
    return None if str(value).strip().lower() == "any" else _whole(name, value)


def _money(name: str, value: object) -> Decimal:
    try:
        amount = Decimal("NaN") if isinstance(value, bool) else Decimal(str(value).strip())
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount <= _MOST_VND:
        raise InvalidRequestError(f"{name} is an amount of VND, not {value!r}.", field=name)
    return amount


def _words(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one.strip() for one in value):
        raise InvalidRequestError(f"{name} is a list of words.", field=name)
    return tuple(one.strip() for one in value)


def _share(name: str, value: object) -> float:
    try:
        share = -1.0 if isinstance(value, bool) else float(str(value).strip())
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise InvalidRequestError(f"{name} is a share above 0 and up to 1, such as 0.9, not {value!r}.", field=name)
    return share


def _balance(name: str, value: object) -> str:
    if value not in ("warn", "refuse"):
        raise InvalidRequestError(f"{name} is warn or refuse, not {value!r}.", field=name)
    return str(value)


def _hours(name: str, value: object) -> OpenHours:
    return value if isinstance(value, OpenHours) else OpenHours.parse(value, field=name)


_CLASSES: Final = tuple(one.value for one in MessageClass)
_OF_HOURS: Final = tuple(f"{one}_hours" for one in _CLASSES)
_OF_CAP: Final = tuple(f"{one}_cap" for one in _CLASSES)
_READERS: Final[Mapping[str, Callable[[str, object], Any]]] = {
    **dict.fromkeys(_OF_HOURS, _policy),
    **dict.fromkeys((f"{one}_open" for one in _CLASSES), _hours),
    **dict.fromkeys(_OF_CAP, _whole_or_any),
    "spread_minutes": _whole,
    "label": _flag,
    "opt_out": _flag,
    "opt_out_words": _words,
    "max_segments": _whole,
    "cap_hours": _whole,
    "suppress_care": _flag,
    "max_cost_vnd": _money,
    "max_cost_month_vnd": _money,
    "low_balance": _balance,
    "per_hour": _whole_or_any,
    "hours": _policy,
    "suppression": _flag,
    "canary": _whole_or_any,
    "canary_share": _share,
    "canary_wait_minutes": _whole,
    "canary_poll_seconds": _whole,
}
# The settings that put a rule out of force.
_OUT_OF_FORCE: Final[Mapping[str, Mapping[str, Any]]] = {
    RuleName.HOURS: {"hours": HoursPolicy.ALLOW},
    RuleName.LABEL: {"label": False},
    RuleName.OPT_OUT: {"opt_out": False},
    RuleName.SEGMENTS: {"max_segments": 10**6},
    RuleName.SUPPRESSION: {"suppression": False},
    RuleName.FREQUENCY: dict.fromkeys(_OF_CAP),
    RuleName.BUDGET: {"max_cost_vnd": None, "max_cost_month_vnd": None},
    RuleName.BALANCE: {"low_balance": "warn"},
    RuleName.PACE: {"per_hour": None},
    RuleName.CANARY: {"canary": None},
}
OVERRIDABLE: Final = tuple(str(rule) for rule in _OUT_OF_FORCE)


@dataclass(frozen=True, slots=True)
class GuardInForce:
    """
    The settings, and the origin of each by name: default, a file, a connection, an argument.
    """

    settings: GuardSettings
    origins: Mapping[str, str]

    def and_of(self, given: Mapping[str, object], origin: str) -> GuardInForce:
        """
        These settings with some replaced by values from `origin`.

        Raises:
            ConfigurationError: a value cannot be used; the message names its origin.
        """
        try:
            settings = self.settings.changed(given)
        except InvalidRequestError as error:
            raise ConfigurationError(f"{origin}: {error}") from None
        named = {name: origin for name, value in given.items() if value is not None}
        return GuardInForce(settings, {**self.origins, **named})


def settings_file(path: str | os.PathLike[str] | None = None) -> Path:
    """The settings file: the one given, the one in ESMS_SETTINGS, or the one in the user's configuration folder."""
    named = path if path is not None else os.environ.get(SETTINGS_FILE_VARIABLE)
    if named:
        return Path(named).expanduser()
    try:
        import platformdirs
    except ImportError:
        # Part of the extra [ledger]: without it there is no such folder, and a settings file must be named.
        return Path("esms-connectors.toml")
    return platformdirs.user_config_path("esms-connectors") / "settings.toml"


def load_guard(path: str | os.PathLike[str] | None = None) -> GuardInForce:
    """
    The settings in force on this machine: the defaults, overridden by the table `[guard]` of the settings file.

    Raises:
        ConfigurationError: a named file does not exist, cannot be read, or has settings that the guard does not know.
    """
    in_force = GuardInForce(GuardSettings(), dict.fromkeys(_READERS, DEFAULT))
    file = settings_file(path)
    named = path is not None or bool(os.environ.get(SETTINGS_FILE_VARIABLE))
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig")).get("guard", {})
    except FileNotFoundError:
        if named:
            raise ConfigurationError(f"The settings file {file} does not exist.") from None
        return in_force
    except OSError as error:
        raise ConfigurationError(f"The settings file {file} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The settings file {file} is not TOML: {error}.") from None
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{file}: guard is a table, [guard].")
    return in_force.and_of(table, str(file))
