"""
What an advertising text must say, and how long an SMS may be.

Source: Decree 91/2020/ND-CP, article 13: the label [QC] or [AD] stands first in the text, and the text says how further
ones can be refused. Segments: each is charged (3GPP TS 23.040).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from esms_connectors.gateway.sms_text import without_diacritics

LABELS = ("[QC]", "[AD]")
# How texts say how to refuse, compared without diacritics and case: "Tu choi QC soan TC gui 1234", "Huy: soan ...".
OPT_OUT_WORDS = ("tu choi", "TC", "huy", "opt out", "unsubscribe", "stop")


def has_label(text: str) -> bool:
    return text.lstrip().upper().startswith(LABELS)


def has_opt_out(text: str, words: Sequence[str] = OPT_OUT_WORDS) -> bool:
    """Whether one of these words stands in the text, as a word of its own."""
    plain = without_diacritics(text).casefold()
    return any(
        re.search(rf"(?<!\w){re.escape(without_diacritics(word).casefold())}(?!\w)", plain) for word in words if word
    )


def labelled(text: str) -> str:
    """The text with a label first, as a fix that is offered."""
    return text if has_label(text) else f"{LABELS[0]} {text.lstrip()}"
