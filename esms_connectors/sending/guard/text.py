"""
Requirements for an advertising text, and the length of an SMS.

Source: Decree 91/2020/ND-CP, article 13: the label [QC] or [AD] comes first in the text, and the text says how to
refuse further messages. Segments: each is charged (3GPP TS 23.040).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from esms_connectors.gateway.sms_text import without_diacritics

LABELS = ("[QC]", "[AD]")
# Phrases for opting out, compared without diacritics and case: "Tu choi QC soan TC gui 1234", "Huy: soan ...".
OPT_OUT_WORDS = ("tu choi", "TC", "huy", "opt out", "unsubscribe", "stop")


def has_label(text: str) -> bool:
    return text.lstrip().upper().startswith(LABELS)


def has_opt_out(text: str, words: Sequence[str] = OPT_OUT_WORDS) -> bool:
    """Whether the text contains one of these words as a separate word."""
    plain = without_diacritics(text).casefold()
    return any(
        re.search(rf"(?<!\w){re.escape(without_diacritics(word).casefold())}(?!\w)", plain) for word in words if word
    )


def labelled(text: str) -> str:
    """The text with a label first, as a suggested correction."""
    return text if has_label(text) else f"{LABELS[0]} {text.lstrip()}"
