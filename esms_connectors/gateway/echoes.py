"""
What was sent, as it comes back: a gateway may change the case, the diacritics and the blanks of a campaign on the way,
and the case of a message id. Both compare by what cannot change.
"""

from __future__ import annotations

import unicodedata


def folded_campaign(campaign: str) -> str:
    """
    Letters and digits alone, without case and diacritics.

    The campaign of a run ends with a mark of its own (`campaign_of`), so that no two become the same by this.
    """
    plain = unicodedata.normalize("NFKD", campaign.casefold().replace("đ", "d"))
    return "".join(character for character in plain if character.isalnum())


def folded_id(message_id: str) -> str:
    """Hexadecimal digits are the same in either case."""
    return message_id.strip().casefold()
