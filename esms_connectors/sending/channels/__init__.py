"""
Kinds of messages: what each one is, and how a chunk of rows is sent as it. `CHANNELS` has them by name.

To add one: a subclass of `Channel` (of `SingleChannel` where each message has a request of its own), a row in
`CHANNELS`, and, where its messages come back in the sent data with their campaign, one in `SMS_TYPES_OF_KIND`.
"""

from esms_connectors.sending.channels.base import Channel, ChunkOutcome, MessageClass
from esms_connectors.sending.channels.sms import AdvertisingChannel, CareSmsChannel
from esms_connectors.sending.channels.zns import ZnsChannel

__all__ = ["CHANNELS", "AdvertisingChannel", "CareSmsChannel", "Channel", "ChunkOutcome", "MessageClass", "ZnsChannel"]

CHANNELS: dict[str, type[Channel]] = {
    channel.kind: channel for channel in (ZnsChannel, CareSmsChannel, AdvertisingChannel)
}
