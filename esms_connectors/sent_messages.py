"""A closed time window -> every row of it, proven complete."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
from pendulum import DateTime

TIME = pa.timestamp("ms", tz="UTC")
MONEY = pa.decimal128(18, 4)

SENT_MESSAGE_SCHEMA = pa.schema(
    [
        pa.field("message_id", pa.string()),
        pa.field("phone", pa.string()),
        pa.field("sms_type", pa.int32()),
        pa.field("campaign", pa.string()),
        pa.field("content", pa.string()),
        pa.field("price_vnd", MONEY),
        pa.field("send_status", pa.int32()),
        pa.field("send_result", pa.int32()),
        pa.field("status_text", pa.string()),
        pa.field("state", pa.string(), nullable=False),
        pa.field("sent_at", TIME),
        pa.field("portal_id", pa.string()),
        pa.field("window_start", TIME, nullable=False),
        pa.field("window_end", TIME, nullable=False),
    ]
)


@dataclass(frozen=True, slots=True, order=True)
class SentWindow:
    """
    The messages of one type that were created from `start` to `end`.

    Attributes:
        sms_type: one of the gateway's listed types.
        start, end: aware, UTC, whole seconds. The second of `end` is asked for too, because nobody knows whether the
            gateway leaves it out; the next window begins with it.
    """

    sms_type: int
    start: DateTime
    end: DateTime
