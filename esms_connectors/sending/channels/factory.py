"""Creates a channel from its name and plain options, as every front end has them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.sending.channels.sms import AdvertisingChannel, CareSmsChannel, FixedNumberChannel
from esms_connectors.sending.channels.viber import ViberChannel
from esms_connectors.sending.channels.voice import CallChannel, VoiceOtpChannel
from esms_connectors.sending.channels.zalo import ZaloTextChannel, ZaloTransactionChannel
from esms_connectors.sending.channels.zns import ZnsChannel
from esms_connectors.sending.channels.zns_single import MultiChannelChannel, ZnsByNameChannel, ZnsJourneyChannel

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.sending.channels.base import Channel

CHANNELS: dict[str, type[Channel]] = {
    channel.kind: channel
    for channel in (
        ZnsChannel,
        ZnsByNameChannel,
        ZnsJourneyChannel,
        CareSmsChannel,
        AdvertisingChannel,
        FixedNumberChannel,
        ViberChannel,
        MultiChannelChannel,
        ZaloTextChannel,
        ZaloTransactionChannel,
        VoiceOtpChannel,
        CallChannel,
    )
}


def read_channel(name: object) -> type[Channel]:
    """
    The channel class of that name.

    Raises:
        InvalidRequestError: there is no channel of that name.
    """
    if isinstance(name, str) and name in CHANNELS:
        return CHANNELS[name]
    near = difflib.get_close_matches(name, CHANNELS, 1) if isinstance(name, str) else []
    meant = f" (did you mean {near[0]}?)" if near else ""
    raise InvalidRequestError(
        f"There is no channel {name!r}{meant}. There are: {', '.join(CHANNELS)}.", field="channel"
    )


def check_options(name: object, options: Mapping[str, Any]) -> dict[str, Any]:
    """
    `options` without those that are None; each must be an option of the channel, and no required one may be missing.

    Raises:
        InvalidRequestError: one is not an option of the channel, or a required one is missing.
    """
    channel = read_channel(name)
    fields = {one.name: one for one in dataclasses.fields(channel) if one.init and one.name != "client"}
    given = {key: value for key, value in options.items() if value is not None}
    if strange := next((key for key in given if key not in fields), None):
        listed = ", ".join(sorted(set(fields) - {"template"}))
        raise InvalidRequestError(f"{channel.kind} takes no {strange}; it takes {listed}.", field=strange)
    needed = (one for one in fields.values() if _is_required(one))
    if missing := next((one.name for one in needed if given.get(one.name) in (None, "")), None):
        raise InvalidRequestError(f"{channel.kind} needs {missing}.", field=missing)
    return given


def has_option(name: str, option: str) -> bool:
    """Whether the channel has an option of that name."""
    return any(one.name == option for one in dataclasses.fields(read_channel(name)))


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def make_channel(name: str, client: EsmsClient, options: Mapping[str, Any]) -> Channel:
    """
    The channel `name` with plain options, which are its attributes; options that are None are omitted.

    Raises:
        InvalidRequestError: no such channel, an unknown option, or a required one that is missing.
    """
    return read_channel(name)(client, **check_options(name, options))
