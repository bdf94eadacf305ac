"""Remembers which phones and keys have been seen, in little memory."""

from __future__ import annotations

import mmap
import sys
from array import array

_NUMBERS = 10**9


class PhoneSet:
    """
    Phones seen, one bit for each possible number.

    The map is 125 MB of address space, of which the system only backs the pages that are written. Mobile prefixes
    cover 350 million numbers, so it takes at most about 45 MB, however many phones there are (measured: 27 MB for
    10 000 random ones, 44 MB for 100 000 and for 5 000 000).
    """

    __slots__ = ("_bits",)

    def __init__(self) -> None:
        if sys.platform == "win32":
            self._bits = mmap.mmap(-1, _NUMBERS // 8)
        else:
            # Private: a process that is forked while rows are read gets a copy, not the same bits.
            self._bits = mmap.mmap(-1, _NUMBERS // 8, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def add(self, phone: str) -> bool:
        """Remember a normalised phone; False if it was there already."""
        number = int(phone)
        at, bit = number >> 3, 1 << (number & 7)
        held = self._bits[at]
        if held & bit:
            return False
        self._bits[at] = held | bit
        return True


class KeySet:
    """
    Row keys seen, as 64-bit hashes in an open table: 12 to 24 bytes per key, 36 while it grows, whatever their length.

    1 000 000 keys take 16 MB. The chance that two different keys are taken for the same is 1 in 37 million at a million
    keys and 1 in 370 000 at ten million; the row is then reported and can be sent by itself, so no loss goes unnoticed.
    """

    __slots__ = ("_held", "_slots")

    def __init__(self) -> None:
        self._slots = array("q", bytes(8 * 1024))
        self._held = 0

    def add(self, key: str) -> bool:
        """Remember a key; False if it was there already."""
        value = hash(key) or 1  # 0 marks a free slot
        if not self._put(self._slots, value):
            return False
        self._held += 1
        if 3 * self._held > 2 * len(self._slots):
            larger = array("q", bytes(16 * len(self._slots)))
            for old in self._slots:
                if old:
                    self._put(larger, old)
            self._slots = larger
        return True

    @staticmethod
    def _put(slots: array[int], value: int) -> bool:
        last = len(slots) - 1
        at = value & last
        while held := slots[at]:
            if held == value:
                return False
            at = (at + 1) & last
        slots[at] = value
        return True
