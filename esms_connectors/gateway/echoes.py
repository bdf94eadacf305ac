"""
Normal forms for comparing sent values with those in answers: a gateway may change the case, the diacritics and the
blanks of a campaign, and the case of a message id.
"""

from __future__ import annotations

import unicodedata


def folded_campaign(campaign: str) -> str:
    """
    Letters and digits only, without case and diacritics.

    The campaign of a run ends with a unique mark (`campaign_of`), so two campaigns of runs never become equal.
    """
    plain = unicodedata.normalize("NFKD", campaign.casefold().replace("đ", "d"))
    return "".join(character for character in plain if character.isalnum())


def folded_id(message_id: str) -> str:
    """A message id, whose hexadecimal digits are compared without case."""
    return message_id.strip().casefold()
