"""
Converts between the gateway's formats and ours: answers, codes, numbers, times, flags, XML, template params.

The gateway's types vary: codes and numbers are strings or numbers, one page prints `RefercenceId`, the case of keys
differs between functions. The readers accept all of this and never raise for a missing or malformed field: they return
None or the unchanged text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote
from uuid import UUID
from xml.etree import ElementTree

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.redaction import mask_keys
from esms_connectors.gateway.spellings import milliseconds_of, price_of

# Times without a zone are Vietnamese local time: not documented, but implied by the +0700 of SentTime.
VIETNAM = "Asia/Ho_Chi_Minh"
# Kept referenced so that pendulum finds it in its cache; otherwise it reads the zone's file each time.
_VIETNAM_ZONE = pendulum.timezone(VIETNAM)

_C0_NAMES = [
    *("NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "TAB", "LF", "VT", "FF", "CR", "SO", "SI"),
    *("DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US"),
]
_FORBIDDEN_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NO_DIGIT = re.compile(r"\D")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_DIGITS = 40  # of an id that comes as a number
_WHOLE_NUMBER = re.compile(r"(\d{1,18})\.0+", re.ASCII)

Fields = Mapping[str, Any]


class UnreadableAnswerError(ValueError):
    """The body is not an answer of the gateway. The text says what it is instead and never quotes it."""


# --- reading ---------------------------------------------------------------------------------------------------------


def read_answer(body: bytes, *, errors: str = "strict") -> dict[str, Any]:
    """
    The JSON object in `body`.

    Args:
        errors: `replace` reads bytes that are not UTF-8 as U+FFFD.

    Raises:
        UnreadableAnswerError: empty, not UTF-8, a web page, truncated, or JSON that is not an object.
    """
    if not body.strip():
        raise UnreadableAnswerError("an empty body")
    try:
        text = body.decode("utf-8-sig", errors)
    except UnicodeDecodeError:
        raise UnreadableAnswerError("a body that is not UTF-8") from None
    if text.lstrip()[:1] == "<":
        raise UnreadableAnswerError("a web page instead of JSON")
    try:
        answer = json.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        # ArithmeticError: a number whose exponent overflows even Decimal.
        raise UnreadableAnswerError("a body that is cut off or not JSON") from None
    if not isinstance(answer, dict):
        raise UnreadableAnswerError("JSON that is not an object")
    return answer


def read_code(answer: Fields, code_fields: Iterable[str]) -> str:
    """
    The result code as text: `"100"` for `"100"`, `100`, `100.0` and `" 100 "`.

    Raises:
        UnreadableAnswerError: no field has a code, as in `{"error": "Invalid request"}`, or two have different ones.
    """
    found = {code for name in code_fields if (code := _code_text(answer.get(name))) is not None}
    if len(found) > 1:
        raise UnreadableAnswerError(f"an answer with contradictory codes ({', '.join(sorted(found))})")
    if not found:
        raise UnreadableAnswerError("an answer without a result code")
    return found.pop()


def _code_text(value: object) -> str | None:
    text = as_text(value)
    # Stricter than `as_number`: "1_00" or digits of another script must not count as success.
    if text and (number := _WHOLE_NUMBER.fullmatch(text)):
        return number[1]
    # A code is short and has no blanks; anything else is a sentence in the place of a code.
    return text if text and len(text) <= 20 and " " not in text else None


def pick(answer: Fields, *names: str) -> Any:
    """The value of the first of `names` that is present, in any letter case; None if none is."""
    for name in names:
        if name in answer:
            return answer[name]
    folded = {key.casefold(): value for key, value in answer.items() if isinstance(key, str)}
    for name in names:
        if name.casefold() in folded:
            return folded[name.casefold()]
    return None


def as_text(value: object) -> str | None:
    """Trimmed text, because ids are often padded; None for missing, empty, non-scalar and not finite values."""
    if isinstance(value, bool) or value is None or (isinstance(value, Decimal) and not value.is_finite()):
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, Decimal) and value.adjusted() < _MOST_DIGITS and value == value.to_integral_value():
        return str(int(value))  # 12345.0 and 1.2345E4 are the id 12345
    if isinstance(value, int | Decimal):
        return str(value)
    return None


def as_verbatim(value: object) -> str:
    """Text unchanged, untrimmed; empty if missing."""
    return value if isinstance(value, str) else (as_text(value) or "")


def as_number(value: object) -> int | str | None:
    """An integer if it is one; an unknown format is kept as text."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    text = as_text(value)
    if text is None:
        return None
    try:
        exact = Decimal(text)
        return int(exact) if -(10**18) < exact < 10**18 and exact == exact.to_integral_value() else text
    except InvalidOperation:
        return text


def as_count(value: object) -> int | None:
    """A count: an integer >= 0, else None."""
    number = as_number(value)
    return number if isinstance(number, int) and number >= 0 else None


def as_price(value: object) -> Decimal | None:
    """Money in VND as a finite Decimal, from any unambiguous format; else None."""
    text = as_text(value)
    return None if text is None else price_of(text)


def as_flag(value: object) -> bool | None:
    """True and false as booleans, numbers or words, else None."""
    if isinstance(value, bool):
        return value
    text = (as_text(value) or "").casefold()
    if text in ("1", "true"):
        return True
    if text in ("0", "false"):
        return False
    return None


def as_milliseconds(value: object) -> int | None:
    """Milliseconds since 1970 in UTC, from `/Date(1705484048995+0700)/` or any other unambiguous format; else None."""
    text = as_text(value)
    return None if text is None else milliseconds_of(text)


def as_time(value: object) -> DateTime | None:
    """A Vietnamese local time, from a text as in `as_milliseconds`."""
    found = as_milliseconds(value) if isinstance(value, str) else None
    return None if found is None else pendulum.from_timestamp(found / 1000, tz=VIETNAM)


def as_epoch_time(value: object) -> DateTime | None:
    """A Vietnamese local time, from milliseconds since 1970 as a number or text."""
    number = as_number(value)
    if not isinstance(number, int):
        return None
    try:
        return pendulum.from_timestamp(number / 1000, tz=VIETNAM)
    except (ValueError, OverflowError, OSError):
        return None


def read_error_info(text: str | None) -> tuple[int | str | None, str]:
    """
    Zalo's own error number and text from a report's `error_info`, which has three encodings and may end in garbage.

    Returns:
        `(-114, "User is inactive")`; `(None, "")` if it cannot be parsed, so that the report itself is kept.
    """
    text = text or ""
    for _ in range(2):
        if re.search(r"%(?:25)?(?:7[Bb]|22)", text):
            text = unquote(text)
    text = text.strip()
    try:
        if text.startswith('"'):
            text = json.JSONDecoder().raw_decode(text)[0]
        info = json.JSONDecoder().raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None, ""
    if not isinstance(info, dict):
        return None, ""
    return as_number(pick(info, "error")), as_text(pick(info, "message")) or ""


def as_rows(value: object) -> list[Fields]:
    """The objects in a list; empty for anything else."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


# --- writing ---------------------------------------------------------------------------------------------------------


def local_time(moment: datetime, field: str, pattern: str = "%Y-%m-%d %H:%M:%S") -> str:
    """
    `yyyy-MM-dd HH:mm:ss` in Vietnamese local time, truncated to seconds.

    Args:
        pattern: for functions that require another format.

    Raises:
        InvalidRequestError: `moment` has no zone, so the instant is ambiguous.
    """
    return _aware(moment, field).in_timezone(_VIETNAM_ZONE).strftime(pattern)


def epoch_milliseconds(moment: datetime, field: str) -> int:
    """
    Milliseconds since 1970.

    Raises:
        InvalidRequestError: as in `local_time`.
    """
    return int(_aware(moment, field).timestamp() * 1000)


def _aware(moment: datetime, field: str) -> DateTime:
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        raise InvalidRequestError(
            f"{field} needs a date and time with a zone, such as pendulum.now('{VIETNAM}').", field=field
        )
    return pendulum.instance(moment)


def flag(value: bool) -> str:
    return "1" if value else "0"


def unicode_flag(content: str, is_unicode: bool | None) -> str:
    """`IsUnicode`; None derives it from the text: everything outside ASCII needs Unicode."""
    return flag(not content.isascii() if is_unicode is None else check_bool(is_unicode, "is_unicode"))


def check_bool(value: bool, field: str) -> bool:
    """
    Raises:
        InvalidRequestError: not a bool, such as the text "False", which is truthy.
    """
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{field} takes True or False.", field=field)
    return value


def given(**members: str | None) -> dict[str, str]:
    """The members that have a value."""
    return {name: text for name, text in members.items() if text is not None}


def check_text(text: str, field: str, *, row: int | None = None) -> str:
    """
    The text, if it can be sent.

    Raises:
        InvalidRequestError: empty or blank, or with half of a surrogate pair (a text cut inside an emoji).
    """
    where = "" if row is None else f" in row {row}"
    if not isinstance(text, str) or not text.strip():
        raise InvalidRequestError(f"{field}{where} is empty.", field=field, row=row)
    if match := _SURROGATE.search(text):
        raise InvalidRequestError(
            f"{field}{where} contains half a character (U+{ord(match.group()):04X}) at position {match.start()}: the "
            "text was cut inside an emoji.",
            field=field,
            row=row,
        )
    return text


def json_body(fields: Fields) -> bytes:
    # Not escaped: \uXXXX would triple the length of Vietnamese text.
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def check_xml(fields: Fields) -> None:
    """
    Check for characters that XML cannot contain. Called before the keys are added, because error trackers show the
    variables of every frame.

    Raises:
        InvalidRequestError: a text contains such a character; the message names it.
    """
    for name, value in fields.items():
        if match := _FORBIDDEN_IN_XML.search(value):
            raise InvalidRequestError(
                f"{name.lower()} has the character {_character_name(match.group())} at position {match.start()}, which "
                "XML cannot contain. Remove it, or use send_customer_care_sms.",
                field=name.lower(),
            )


def xml_body(fields: Iterable[tuple[str, str]], phones: Iterable[str]) -> bytes:
    """
    The `<RQST>` document, elements in the given order, one CUSTOMER element per phone. Line ends become `\\n`.

    The texts have passed `check_xml`.
    """
    request = ElementTree.Element("RQST")
    for name, value in fields:
        # XML parsers turn a carriage return into a line feed anyway; done here, the text arrives as it was sent.
        ElementTree.SubElement(request, name).text = value.replace("\r\n", "\n").replace("\r", "\n")
    contacts = ElementTree.SubElement(request, "CONTACTS")
    for phone in phones:
        ElementTree.SubElement(ElementTree.SubElement(contacts, "CUSTOMER"), "PHONE").text = phone
    return bytes(ElementTree.tostring(request, encoding="utf-8", xml_declaration=False))


def _character_name(character: str) -> str:
    number = ord(character)
    if number < len(_C0_NAMES):
        return f"U+{number:04X} {_C0_NAMES[number]}"
    return f"U+{number:04X}" + (" (half a surrogate pair)" if 0xD800 <= number <= 0xDFFF else " (noncharacter)")


def template_params(values: Iterable[object], *, row: int | None = None) -> list[str]:
    """
    Positional template values as texts.

    Raises:
        InvalidRequestError: as in `template_param`; also for a single text, whose letters would become the values.
    """
    if not isinstance(values, tuple | list) and isinstance(values, str | bytes | Mapping | set | frozenset):
        where = "" if row is None else f" in row {row}"
        raise InvalidRequestError(
            f"template_params{where} takes a list of values in the order of the template.",
            field="template_params",
            row=row,
        )
    # Plain text is the fast path; other values are checked in detail.
    return [
        value
        if type(value) is str and not _SURROGATE.search(value)
        else template_param(value, "template_params", row=row)
        for value in values
    ]


def named_params(values: Mapping[str, object]) -> dict[str, str]:
    """
    Template values by name, as texts.

    Raises:
        InvalidRequestError: as in `template_param`; also if `values` is not a mapping.
    """
    if not isinstance(values, Mapping):
        raise InvalidRequestError("template_params takes a value by variable name here.", field="template_params")
    return {_param_name(name): template_param(value, name) for name, value in values.items()}


def _param_name(name: object) -> str:
    if not isinstance(name, str) or not name or name != name.strip() or not name.isprintable():
        raise InvalidRequestError("template_params has a name that no variable has.", field="template_params")
    return name


def template_param(value: object, field: str, *, row: int | None = None) -> str:
    """
    One template value as text: text, whole numbers, decimals and UUIDs.

    Raises:
        InvalidRequestError: None, or a type without an unambiguous text (float, bool, date).
    """
    if isinstance(value, str):
        if match := _SURROGATE.search(value):
            raise InvalidRequestError(
                f"{field}{'' if row is None else f' in row {row}'} contains half a character "
                f"(U+{ord(match.group()):04X}) at position {match.start()}.",
                field=field,
                row=row,
            )
        return value
    if isinstance(value, int | Decimal | UUID) and not isinstance(value, bool):
        return str(value)
    raise InvalidRequestError(
        f"{field}{'' if row is None else f' in row {row}'} is {type(value).__name__}, not text. "
        "Turn it into the text that the customer should read.",
        field=field,
        row=row,
    )


def not_echoed(message_id: str | None, phones: Sequence[str] = ()) -> str | None:
    """
    A message id, or None if it contains a key or the phone of a recipient, because ids are stored and shown.

    Args:
        phones: of the call, as they were sent.
    """
    if message_id is None or mask_keys(message_id) != message_id:
        return None
    digits = _NO_DIGIT.sub("", message_id)
    for phone in phones:
        if phone.lstrip("0")[-9:] in digits:
            return None
    return message_id


def vnd(amount: float | Decimal) -> str:
    """Money in the Vietnamese format: 1.234.567 đ."""
    return f"{amount:,.0f}".replace(",", ".") + " đ"
