"""Reads a step from plain values, as a command line, a DAG or the parameters of a flow have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.recipients import Columns
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels.factory import has_option, make_channel, read_channel
from esms_connectors.sending.steps.journey import Step

# Taken from the first step, or from the defaults, if a later step does not give its own.
_SHARED = ("brandname", "oa_id")


def check_step(given: object) -> None:
    """
    Check a step as far as possible before anything is opened.

    Raises:
        InvalidRequestError: it is not a mapping, names no channel, or lacks `after`.
    """
    if not isinstance(given, Mapping):
        raise InvalidRequestError(
            'A step looks like {"channel": "sms", "text": "…", "after": "15m"}.', field="fallback"
        )
    channel = read_channel(given.get("channel")).kind
    if given.get("after") in (None, ""):
        raise InvalidRequestError(f"The step {channel} needs after, such as 15m.", field="after")


def read_step(given: Mapping[str, Any], first: Campaign, defaults: Mapping[str, str | None] | None = None) -> Step:
    """
    A step that follows `first`.

    Args:
        given: `channel`, `after`, and options of the channel; `params` (columns, as one text, a list or a mapping) and
            `phone_column` if they differ from those of the first step.
        defaults: `brandname` and `oa_id` of a connection.

    Raises:
        InvalidRequestError: as `check_step`, or an unknown or missing option of the channel.
    """
    check_step(given)
    options = dict(given)
    name, after = options.pop("channel"), options.pop("after")
    params, phone = options.pop("params", None), options.pop("phone_column", None) or first.columns.phone
    for shared in _SHARED:
        if has_option(name, shared) and options.get(shared) is None:
            options[shared] = getattr(first.channel, shared, None) or (defaults or {}).get(shared)
    channel = make_channel(name, first.channel.client, options)
    if isinstance(params, str):
        columns = Columns.parse(params, phone=phone, key_column=first.columns.key_column)
        params = columns.params
    if params and not isinstance(params, Mapping) and not channel.by_position:
        params = {one: one for one in params}
    return Step(channel, after, Columns(phone, params or (), first.columns.key_column))
