"""What commands share on the way in: where to call, as whom, when."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
import pendulum
from pendulum import DateTime

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.ledger import Ledger

_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def connection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--base-url", envvar="ESMS_BASE_URL", help="Scheme and host of the gateway.", metavar="URL"),
        click.option("--sandbox/--live", default=None, help="Check only, or send for real. Default: ESMS_SANDBOX."),
    ):
        command = option(command)
    return command


def open_client(base_url: str | None, sandbox: bool | None, **more: Any) -> EsmsClient:
    given = {name: value for name, value in (("base_url", base_url), ("sandbox", sandbox)) if value is not None}
    return EsmsClient.from_env(**given, **more)


ledger_option = click.option(
    "--ledger",
    "ledger_url",
    envvar="ESMS_LEDGER",
    metavar="URL",
    help="sqlite:///file, a path, or postgresql://…; default: a file in your data folder.",
)


def open_ledger(url: str | None) -> Ledger:
    # From the environment only, like the keys: with it, phones are stored as keyed hashes.
    return Ledger.open(url, phone_secret=os.environ.get("ESMS_LEDGER_SECRET") or None)


def read_moment(text: str, option: str) -> DateTime:
    """A day or a time, Vietnamese unless a zone is given; a day is its midnight."""
    text = text.strip()
    # ISO only: of 01/02/2027 one reader makes the first of February, another the second of January.
    shape = _ISO.match(text) or _ISO_DAY.fullmatch(text)
    try:
        moment: object = pendulum.parse(text.replace(" ", "T", 1), tz=VIETNAM) if shape else None
    except ValueError:
        moment = None
    if not isinstance(moment, DateTime):
        raise InvalidRequestError(f"--{option} {text!r} is no time. Give 2026-11-21 or 2026-11-21 08:30.", field=option)
    # Further out, a day more or another zone is a year that dates do not have.
    if not 1970 <= moment.year < 9999:
        raise InvalidRequestError(f"--{option} {text!r} is out of range.", field=option)
    return moment


def read_time(text: str) -> datetime:
    """When to send."""
    if not _ISO.match(text.strip()):
        raise InvalidRequestError(f"--at {text!r} is no time. Give 2026-11-21 08:30.", field="at")
    moment = read_moment(text, "at")
    if moment < pendulum.now("UTC").subtract(minutes=5):
        raise InvalidRequestError(f"--at {text!r} lies in the past. Leave it out to send now.", field="at")
    return moment


def need(module: str, extra: str) -> None:
    """One line that names the extra, instead of an ImportError."""
    if importlib.util.find_spec(module) is None:
        raise ConfigurationError(f"This needs the extra [{extra}]: pip install 'esms-connectors[{extra}]'")
