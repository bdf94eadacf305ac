"""What sending commands need from the guard: its options, and the ledger with suppression list and stop marks."""

from __future__ import annotations

import contextlib
import getpass
import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from esms_connectors.cli.settings import open_ledger
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.sending.guard import GuardSettings, HoursPolicy, load_guard
from esms_connectors.sending.guard.choice import GuardChoice
from esms_connectors.sending.guard.settings import OVERRIDABLE

if TYPE_CHECKING:
    from esms_connectors.ledger import Ledger


def user_or(given: str | None) -> str:
    """The name to record: the given one, or the user of this machine."""
    try:
        return given or getpass.getuser()
    except (OSError, KeyError):  # the user has no name, as in a container
        return "unknown"


_GUARD_OPTIONS = (
    click.option("--max-cost", metavar="VND", help="Stop before the call that would make the run cost more."),
    click.option(
        "--hours",
        type=click.Choice([one.value for one in HoursPolicy]),
        help="Outside the hours of this kind of message: refuse, reschedule, defer the rest, or allow.",
    ),
    click.option(
        "--canary", metavar="ROWS", help="Send this many first, and the rest once enough of them have arrived."
    ),
    click.option("--per-hour", metavar="ROWS", help="Maximum number of messages per hour."),
    click.option(
        "--guard",
        "guard_settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="Another setting, as in a settings file; repeatable.",
    ),
    click.option(
        "--override",
        "overridden",
        multiple=True,
        type=click.Choice(OVERRIDABLE),
        help="Override a rule; repeatable.",
    ),
    click.option("--override-reason", metavar="WHY", help="Reason; recorded in the ledger with your name."),
)


GUARD_NAMES = (
    "max_cost", "hours", "canary", "per_hour", "guard_settings", "overridden", "override_reason",
)  # fmt: skip


_OF_ONE_MESSAGE = tuple(_GUARD_OPTIONS[place] for place in (1, -2, -1))


def rule_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The guard options that apply to a single message outside a run."""
    for option in reversed(_OF_ONE_MESSAGE):
        command = option(command)
    return command


def ledger_there(opened: contextlib.ExitStack, url: str | None, *, needed: bool) -> Ledger | None:
    """The ledger with suppression list and stop marks, if it exists; if `needed`, it is created."""
    if not needed:
        if importlib.util.find_spec("sqlalchemy") is None:
            return None
        from esms_connectors.gateway.paths import kind_at
        from esms_connectors.ledger.addresses import ledger_file

        path = ledger_file(url)
        if path is not None and kind_at(path) != "file":
            return None
    return opened.enter_context(open_ledger(url, create=True))


def guard_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that sends; `guard_of` reads them."""
    for option in reversed(_GUARD_OPTIONS):
        command = option(command)
    return command


def guard_of(
    *,
    max_cost: str | None = None,
    hours: str | None = None,
    canary: str | None = None,
    per_hour: str | None = None,
    guard_settings: tuple[str, ...] = (),
    overridden: tuple[str, ...] = (),
    override_reason: str | None = None,
) -> GuardSettings:
    """
    The rules in force for a sending command: the settings file and its options.

    Raises:
        InvalidRequestError, ConfigurationError: a value cannot be used, or an override has no reason.
    """
    named = {}
    for one in guard_settings:
        name, given, value = one.partition("=")
        if not given:
            raise InvalidRequestError(f"--guard takes NAME=VALUE, not {one!r}.", field="guard")
        named[name.strip()] = value.strip()
    choice = GuardChoice(hours, max_cost, canary, per_hour, named, overridden, override_reason)
    return choice.over(load_guard().settings, who=user_or(None))
