"""
The kinds of messages: what each one is, and how a chunk of its rows is sent. `CHANNELS` has them by name.

To add one: a subclass of `Channel` (of `SingleChannel` if each message has its own request), a row in `CHANNELS`, and,
if its messages appear in the sent data with their campaign, one in `SMS_TYPES_OF_KIND`.
"""

from typing import TYPE_CHECKING

from esms_connectors.lazy_names import on_first_use

if TYPE_CHECKING:
    from esms_connectors.sending.channels.base import Channel
    from esms_connectors.sending.channels.sms import AdvertisingChannel, CareSmsChannel, FixedNumberChannel
    from esms_connectors.sending.channels.viber import ViberChannel
    from esms_connectors.sending.channels.voice import CallChannel, VoiceOtpChannel
    from esms_connectors.sending.channels.zalo import ZaloTextChannel, ZaloTransactionChannel
    from esms_connectors.sending.channels.zns import ZnsChannel
    from esms_connectors.sending.channels.zns_single import MultiChannelChannel, ZnsByNameChannel, ZnsJourneyChannel

__all__ = [
    "AdvertisingChannel",
    "CallChannel",
    "CareSmsChannel",
    "Channel",
    "FixedNumberChannel",
    "MultiChannelChannel",
    "ViberChannel",
    "VoiceOtpChannel",
    "ZaloTextChannel",
    "ZaloTransactionChannel",
    "ZnsByNameChannel",
    "ZnsChannel",
    "ZnsJourneyChannel",
]

__getattr__, __dir__ = on_first_use(
    __name__,
    {
        "Channel": "base",
        "AdvertisingChannel": "sms",
        "CareSmsChannel": "sms",
        "FixedNumberChannel": "sms",
        "ViberChannel": "viber",
        "CallChannel": "voice",
        "VoiceOtpChannel": "voice",
        "ZaloTextChannel": "zalo",
        "ZaloTransactionChannel": "zalo",
        "ZnsChannel": "zns",
        "MultiChannelChannel": "zns_single",
        "ZnsByNameChannel": "zns_single",
        "ZnsJourneyChannel": "zns_single",
    },
)
