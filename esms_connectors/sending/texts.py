"""The text of an SMS: what travels, and the recipients' own values in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from esms_connectors.gateway import wire
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.sms_text import SmsText, describe
from esms_connectors.recipients import Recipient
from esms_connectors.recipients.damage import message_damage, plain_lines

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def sms_text(text: str) -> str:
    """
    The text as it is sent: letters composed (an accent that stands apart is a character more, and a second segment soon
    after), one kind of line end.

    Raises:
        InvalidRequestError: empty, damaged, or with control characters.
    """
    wire.check_text(text, "text")
    text = plain_lines(unicodedata.normalize("NFC", text), one_line=False)
    if reason := message_damage(text):
        raise InvalidRequestError(f"The text {reason}.", field="text")
    return text


@lru_cache(maxsize=1024)
def describe_as_sent(text: str) -> SmsText:
    """Alphabet and segments of `text` as `EsmsClient` sends it."""
    return describe(text, as_sent=True)


def check_placeholders(text: str) -> None:
    """
    Whether each brace of a text for many belongs to a `{name}`, or is doubled.

    Raises:
        InvalidRequestError: one does not; it would be sent as it stands.
    """
    for match in _BRACES.finditer(text):
        if match[0] in ("{", "}") or (match[1] is not None and not match[1].strip()):
            raise InvalidRequestError(
                f"The text has a {match[0]} at position {match.start()} that belongs to no {{name}}. "
                "A brace that is meant to be read is written twice: {{ or }}.",
                field="text",
            )


def fill_text(text: str, recipient: Recipient) -> str:
    """
    `text` with each `{name}` replaced by the recipient's param of that name, whatever characters the name has; `{{` and
    `}}` are braces.

    Raises:
        InvalidRequestError: the recipient has no such param, or a param stands in doubled braces.
    """
    params = recipient.template_params
    named = {_fold(name): str(value) for name, value in params.items()} if isinstance(params, Mapping) else {}

    def value_of(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        name = _fold(match[1])
        if name not in named:
            raise InvalidRequestError(
                f"The text wants {{{match[1]}}}, line {recipient.line} has no such param.",
                field="text",
                row=recipient.line,
            )
        return named[name]

    if named and (doubled := next((name for name in named if _doubled(name).search(text)), None)):
        raise InvalidRequestError(
            f"The text has {{{{{doubled}}}}}, which would be sent as {{{doubled}}}: write {{{doubled}}} for the param.",
            field="text",
            row=recipient.line,
        )
    return unicodedata.normalize("NFC", _BRACES.sub(value_of, text))


def _doubled(name: str) -> re.Pattern[str]:
    return re.compile(r"(?<!\{)\{\{\s*" + re.escape(name) + r"\s*\}\}(?!\})")


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()
