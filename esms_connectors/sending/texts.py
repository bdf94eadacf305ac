"""The text of an SMS as it is sent, and the recipients' own values in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from esms_connectors.gateway import wire
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.sms_text import SmsText, describe
from esms_connectors.recipients.damage import message_damage, plain_lines
from esms_connectors.recipients.headers import fold

if TYPE_CHECKING:
    from esms_connectors.recipients import Recipient

_LISTED = 30
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def sms_text(text: str) -> str:
    """
    The text as it is sent: composed to NFC (a combining accent counts as a further character, and may cost a further
    segment), with one kind of line ending.

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


def placeholders(text: str) -> tuple[str, ...]:
    """The names in braces as written, each once."""
    names = (match[1] for match in _BRACES.finditer(text) if match[1] is not None)
    return tuple({fold(name).casefold(): name.strip() for name in reversed([*names])}.values())[::-1]


def columns_of(names: Sequence[str], given: Mapping[str, str], header: Callable[[], Sequence[str]]) -> dict[str, str]:
    """
    The column of each placeholder: the one given, else the one of the same name, with or without blanks, in any case.

    Args:
        header: returns the column names of the source; called only if one is needed.

    Raises:
        InvalidRequestError: there is no such column, or more than one; or a given name is not in the text.
    """
    by_name = {fold(name).casefold(): column for name, column in given.items()}
    found: dict[str, str] = {}
    for name in names:
        folded = fold(name).casefold()
        found[name] = by_name.pop(folded) if folded in by_name else _column_named(name, header())
    if by_name:
        unused = next(name for name in given if fold(name).casefold() in by_name)
        raise InvalidRequestError(
            f"params gives a column for {unused}, and the text has no {{{unused}}}.", field="params"
        )
    return found


def _column_named(name: str, header: Sequence[str]) -> str:
    if not header:
        return name  # a list without rows has no columns, and no row to refuse
    exact = [column for column in header if fold(column) == fold(name)]
    alike = exact or [column for column in header if fold(column).casefold() == fold(name).casefold()]
    if len(alike) == 1:
        return alike[0]
    listed = ", ".join(column for column in header[:_LISTED] if column)
    problem = (
        f"is more than one column: {', '.join(alike)}" if alike else f"is not a column of the source. It has: {listed}"
    )
    raise InvalidRequestError(f"The text has {{{name}}}, which {problem}.", field="text")


def check_placeholders(text: str) -> None:
    """
    Check that each brace of a text with placeholders belongs to a `{name}` or is doubled.

    Raises:
        InvalidRequestError: one does not; it would be sent literally.
    """
    for match in _BRACES.finditer(text):
        if match[0] in ("{", "}") or (match[1] is not None and not match[1].strip()):
            raise InvalidRequestError(
                f"The text has a {match[0]} at position {match.start()} that belongs to no {{name}}. "
                "Write a literal brace twice: {{ or }}.",
                field="text",
            )


def text_for_all(text: str) -> str:
    """
    The text of a message that is the same for all recipients, with doubled braces replaced by single ones.

    Raises:
        InvalidRequestError: it has a `{name}` or an unmatched brace, which would be sent literally.
    """
    check_placeholders(text)
    if names := placeholders(text):
        raise InvalidRequestError(
            f"The text has {{{names[0]}}}, and everybody gets the same text on this channel: it would be sent "
            "unchanged. Remove it, or use a channel with a text for each row (sms).",
            field="text",
        )
    return _BRACES.sub(lambda match: match[0][0], text)


def fill_text(text: str, recipient: Recipient) -> str:
    """
    `text` with each `{name}` replaced by the recipient's param of that name, which may have any characters; `{{` and
    `}}` become braces.

    Raises:
        InvalidRequestError: the recipient has no such param, or a param is enclosed in doubled braces.
    """
    params = recipient.template_params
    named = {fold(name).casefold(): str(value) for name, value in params.items()} if isinstance(params, Mapping) else {}

    def value_of(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        name = fold(match[1]).casefold()
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
    return re.compile(r"(?<!\{)\{\{\s*" + re.escape(name) + r"\s*\}\}(?!\})", re.IGNORECASE)
