"""
Keeps keys and phone numbers out of everything that a person or a log collector may read.

Keys are redacted by value: every key pair loaded in this process is registered here, so it does not matter which
library wrote the text (urllib3 logs whole URLs at DEBUG, and some gateway functions have the keys in the query).
Phone numbers and passwords of addresses are found by pattern; phones in the spellings of people, of the gateway and of
URL encoding.
"""

from __future__ import annotations

import html
import logging
import re
import threading

MASK = "***"

# A key shorter than this could be part of an ordinary word, so it is masked only as a separate word.
_MIN_SUBSTRING_LENGTH = 8

# 84 or 0, then the nine digits of a mobile number (or ten of an old one), with the separators that people type.
# The look-arounds exclude ids (hexadecimal message ids, 17-19 digit OA ids, epoch milliseconds) and the seconds of ISO
# times, which are part of run keys.
_BETWEEN_DIGITS = r"(?:[ \t\xa0\u200b\u202f.()/+\-]|%20|%28|%29|%2[BDEF]){0,2}"
_PHONE = re.compile(
    r"(?<!T\d\d:\d\d:)(?:(?<![0-9A-Za-z])|(?<=%[0-9A-F]{2})|(?<=\\u[0-9A-F]{4})|(?<=\\[nrt]))"
    rf"(?:(?:00{_BETWEEN_DIGITS})?84|0)(?:{_BETWEEN_DIGITS}\d){{8,10}}(?![0-9A-Za-z])",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
# Of an address that was given in the wrong place and is quoted there. Up to the last @: a password may hold one.
_PASSWORD = re.compile(r"(://[^\s:/@'\"]*:)[^\s'\"]+@")

_LOGGERS_OF_OTHERS = (
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
)

_lock = threading.Lock()
_secrets: set[str] = set()
_pattern: re.Pattern[str] | None = None


def register_secret(value: str) -> None:
    """Mask `value` from now on in this process, in any letter case and any encoding that we or the gateway use."""
    global _pattern
    with _lock:
        if value in _secrets:
            return
        _secrets.add(value)
        _pattern = _compile(_secrets)


def _compile(secrets: set[str]) -> re.Pattern[str]:
    # Longest first: if one key is a prefix of another, the rest of the longer one must not remain.
    alternatives = []
    for secret in sorted(secrets, key=len, reverse=True):
        pattern = "".join(map(_any_spelling, secret))
        alternatives.append(
            pattern if len(secret) >= _MIN_SUBSTRING_LENGTH else rf"(?<![0-9A-Za-z]){pattern}(?![0-9A-Za-z])"
        )
    return re.compile("|".join(alternatives), re.IGNORECASE)


def _any_spelling(character: str) -> str:
    """A pattern for one character of a key in text, URLs, JSON or markup, escaped or not."""
    if character.isalnum():
        return re.escape(character)
    number = ord(character)
    spellings = [
        rf"\\*{re.escape(character)}",
        f"%(?:25)*{number:02X}",
        rf"\\+u{number:04X}",
        rf"\\+x{number:02X}",
        f"&(?:amp;)*#0*{number};",
        f"&(?:amp;)*#x0*{number:X};",
    ]
    if (entity := html.escape(character)) != character:
        spellings.append(f"&(?:amp;)*{entity[1:]}")
    # Longest first here too: a plain "&" would leave the rest of "&amp;" to be matched by the next character.
    return f"(?:{'|'.join(sorted(spellings, key=len, reverse=True))})"


def mask_phone(phone: str) -> str:
    """Keep the first three and last two digits, enough to recognise a row but not to call: `090*****84`."""
    digits = len(_DIGIT.findall(phone))
    if digits < 8:
        return MASK
    seen = 0

    def keep_ends(match: re.Match[str]) -> str:
        nonlocal seen
        seen += 1
        return match.group() if seen <= 3 or seen > digits - 2 else "*"

    return _DIGIT.sub(keep_ends, phone)


def mask_phones(text: str) -> str:
    """Mask everything in `text` that has the shape of a Vietnamese phone number."""
    return _PHONE.sub(lambda match: mask_phone(match.group()), text)


def mask_keys(text: str) -> str:
    """`text` without any registered key."""
    pattern = _pattern
    return text if pattern is None else pattern.sub(MASK, text)


def redact(text: str) -> str:
    """`text` without any registered key, without passwords of addresses, and without any phone number in full."""
    text = mask_keys(text)
    return mask_phones(_PASSWORD.sub(rf"\1{MASK}@", text) if "://" in text else text)


# SQLSTATE classes whose texts name tables, columns, users and servers, but never quote values of a row.
_ABOUT_NO_ROW = ("08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58")
_SQLITE_QUOTES_A_ROW = re.compile(r" with text .*", re.DOTALL)
_QUOTED = re.compile(r"""(['"`]).*?\1""")
_FIRST_TO_LAST_QUOTE = re.compile(r"""['"`«].*['"`»]""")


def database_words(error: BaseException) -> str:
    """
    The message of a database error on one line, without values of rows such as a duplicate key or a failed conversion.

    Args:
        error: of a driver, or of SQLAlchemy wrapping the driver's.
    """
    said = getattr(error, "orig", None) or error
    kind = type(said).__name__
    words = (str(said).strip().splitlines() or [""])[0]
    state = getattr(said, "sqlstate", None) or getattr(said, "pgcode", None)
    if isinstance(state, str):
        return words or kind if state.startswith(_ABOUT_NO_ROW) else f"{kind} (SQLSTATE {state})"
    if type(said).__module__.startswith("sqlite3"):
        return _SQLITE_QUOTES_A_ROW.sub(" that is not UTF-8", words) or kind
    if kind in ("DataError", "IntegrityError", "InternalError", "DatabaseError"):
        return kind
    # Other drivers quote values like names, hosts and parts of a password; a value may itself contain quotes.
    return (_QUOTED if kind == "OperationalError" else _FIRST_TO_LAST_QUOTE).sub("…", words) or kind


class RedactingFilter(logging.Filter):
    """Rewrites each record before any handler sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - any argument may refuse to be formatted
            # A record that cannot be formatted must neither break the caller nor leak its args.
            message = str(record.msg)
        record.msg, record.args = redact(message), None
        if record.exc_info:
            # Formatted here, because every handler would otherwise format the unredacted exception.
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


_filter = RedactingFilter()


def get_logger(name: str) -> logging.Logger:
    """A logger whose records are redacted, whatever handlers the application installs."""
    logger = logging.getLogger(name)
    if _filter not in logger.filters:
        logger.addFilter(_filter)
    return logger


def redact_other_loggers() -> None:
    """Redact the HTTP library's logs. Cheap, and repeated before each call because a logging set-up may undo it."""
    for name in _LOGGERS_OF_OTHERS:
        get_logger(name)
