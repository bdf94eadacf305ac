"""Message ids that look like the gateway's and can be decoded into a message number, so that no table is needed."""

from __future__ import annotations

import re

from .config import SMS_TYPE_CALL, SMS_TYPE_JOURNEY, SMS_TYPE_PRIORITY_ZNS, SMS_TYPE_ZNS
from .progress import mix, unmix

_ID = re.compile(r"[0-9a-f]{32}\d{0,3}")
_SANDBOX_OFFSET = 1 << 48
_ODD = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


class MessageIds:
    """
    Ids as a pure function of (seed, message number).

    The samples show plain hex, hex + digits, and UUID + digits. All three forms are produced, so that a client that
    assumes one of them fails here rather than in production.
    """

    def __init__(self, seed: int) -> None:
        self._salt = mix((seed ^ 0x5E5A) & _MASK)

    def text(self, number: int, sms_type: int) -> str:
        """The id of a message: hex (SMS), UUID + 3 digits (ZNS), UUID (calls), hex + 3 digits (journey ZNS)."""
        first = mix(number ^ self._salt)
        # The second half is only cosmetic, so a single multiplication suffices.
        digits = f"{first:016x}{(first ^ self._salt) * _ODD & _MASK:016x}"
        if sms_type == SMS_TYPE_JOURNEY:
            return digits + "250"
        if sms_type == SMS_TYPE_CALL:
            return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        if sms_type in (SMS_TYPE_ZNS, SMS_TYPE_PRIORITY_ZNS):
            return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}264"
        return digits

    def sandbox_text(self, number: int, sms_type: int) -> str:
        """An id unknown to later calls, for sandbox answers and for the refusal that includes an id (146)."""
        return self.text(number + _SANDBOX_OFFSET, sms_type)

    def number(self, text: str) -> int | None:
        """The number encoded in an id, or None. Other ids may decode to the same one: compare with `text(number)`."""
        plain = text.strip().lower().replace("-", "")
        if _ID.fullmatch(plain) is None:
            return None
        number = unmix(int(plain[:16], 16)) ^ self._salt
        return number if number < _SANDBOX_OFFSET else None
