"""What commands share on the way in: where to call, as whom, when."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
import pendulum

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.wire import VIETNAM


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


def read_time(text: str) -> datetime:
    try:
        moment: object = pendulum.parse(text, tz=VIETNAM, strict=False)
    except ValueError:
        moment = None
    if isinstance(moment, datetime):
        return moment
    raise InvalidRequestError(f"--at {text!r} is no time. Give 2026-11-21 08:30.", field="at")


def need(module: str, extra: str) -> None:
    """One line that names the extra, instead of an ImportError."""
    if importlib.util.find_spec(module) is None:
        raise ConfigurationError(f"This needs the extra [{extra}]: pip install 'esms-connectors[{extra}]'")
