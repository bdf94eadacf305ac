"""
The language of messages for humans: English, or Vietnamese from a message catalogue.

Messages are written in English with values filled in; the catalogue has the same sentences with `{names}` for the
values. So commands and errors are independent of the language, a message missing from the catalogue stays English, and
JSON, CSV and logs never change.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from typing import Any

import click

LANGUAGES = ("en", "vi")
# Values that are texts of this package and are translated too. All others come from the user.
WORDS_IN_WORDS = frozenset({"reason", "hint", "advice", "counts", "rest", "state", "run", "problem"})
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
_OPTION = "--language"
_PLACE = re.compile(r"\{(\w+)\}")
# A longer line, or one with more brackets, contains lists or user texts, which are slow to match.
_LONGEST, _MOST_BRACKETS = 5000, 20
_OF_ONE = re.compile(r"^(\\ (?:[a-z]+\\ )??(?:[a-z]+s|people))\b(\\ (?:are|were|have|do|repeat|list)\b)?")
_NUMBER = r"-?[\d.,]*\d"
_VIETNAMESE_LETTER = re.compile("[ăâđêôơưà-ỹ]", re.IGNORECASE)
# Separators of lists of counts and of consecutive sentences; not inside parentheses.
_BETWEEN = (("; (?![^()]*\\))", "; "), ("(?<=[.?!]) ", " "), (", (?![^()]*\\))", ", "))
_chosen = "en"


def choose_language(language: str | None) -> None:
    """Set the given language, or that of the locale if None."""
    global _chosen
    if language is None:
        told = next((os.environ[name] for name in _VARIABLES if os.environ.get(name)), "")
        language = "vi" if re.match(r"vi([_.@-]|$)", told) else "en"
    _chosen = language


def in_vietnamese() -> bool:
    return _chosen == "vi"


def language_first(group: click.Group, context: click.Context, arguments: list[str]) -> list[str]:
    """
    Move `--language` to the front of the arguments if it follows a command without such an option. The language is set
    immediately, so that errors in other arguments are reported in it.
    """
    told = os.environ.get("ESMS_LANGUAGE")
    for place, argument in enumerate(arguments):
        name, given, value = argument.partition("=")
        if name != _OPTION or (not given and place + 1 == len(arguments)):
            continue
        value = value if given else arguments[place + 1]
        if not _is_own(group, context, arguments[:place]):
            arguments = [f"{_OPTION}={value}", *arguments[:place], *arguments[place + (1 if given else 2) :]]
        told = value
        break
    choose_language(told if told in LANGUAGES else None)
    return arguments


def _is_own(group: click.Group, context: click.Context, before: list[str]) -> bool:
    command: click.Command | None = group
    for word in before:
        if isinstance(command, click.Group) and not word.startswith("-"):
            command = command.get_command(context, word)
    return command is not group and command is not None and any(_OPTION in one.opts for one in command.params)


def _remember(_: click.Context, __: click.Parameter, value: str | None) -> None:
    if value is not None:
        choose_language(value)


language_option = click.option(
    _OPTION,
    type=click.Choice(LANGUAGES),
    envvar="ESMS_LANGUAGE",
    expose_value=False,
    is_eager=True,
    callback=_remember,
    help="Language of messages for people, before or after the command; default: the locale. JSON is never translated.",
)


def tr(text: str) -> str:
    """The text in the chosen language, translated line by line. Lines missing from the catalogue are unchanged."""
    if not in_vietnamese():
        return text
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    body = line.strip()
    is_usual = 0 < len(body) <= _LONGEST and body.count("(") <= _MOST_BRACKETS
    found = _found(body) if is_usual else None
    return line if found is None else line.replace(body, found, 1)


def _found(text: str) -> str | None:
    exact, patterns = _catalogue()
    if text in exact:
        return exact[text]
    if "; " in text and (found := _found_in_row(text, *_BETWEEN[0])) is not None:
        return found
    for pattern, template in patterns:
        if match := pattern.fullmatch(text):
            return template.format_map(_values(match.groupdict()))
    return _found_in_both(text) or _found_in_parts(text)


def _values(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: (_found(value.strip()) or value) if name.rstrip("0123456789") in WORDS_IN_WORDS else value
        for name, value in values.items()
    }


def _found_in_both(text: str) -> str | None:
    """Texts of guard rules and gateway codes contain both languages."""
    _, bar, vietnamese = text.partition(" / ")
    return vietnamese if bar and _VIETNAMESE_LETTER.search(vietnamese) else None


def _found_in_parts(text: str) -> str | None:
    """Translate lists of counts and consecutive sentences, either all parts or none."""
    for between, separator in _BETWEEN:
        if (row := _found_in_row(text, between, separator)) is not None:
            return row
    if match := re.fullmatch(r"(.+?) \((.+)\)", text):
        before, inside = _found(match[1]), _found(match[2])
        if before is not None and inside is not None:
            return f"{before} ({inside})"
    return text if re.fullmatch(_NUMBER, text) else None


def _found_in_row(text: str, between: str, separator: str) -> str | None:
    parts = re.split(between, text)
    if len(parts) > 1 and None not in (found := [_found(part) for part in parts]):
        return separator.join(map(str, found))
    return None


@functools.cache
def _catalogue() -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """
    Literal texts, and patterns with values: patterns that begin with a word first, then those with more literal text.
    """
    from esms_connectors.cli.vietnamese import VIETNAMESE

    exact = {english: vietnamese for english, vietnamese in VIETNAMESE.items() if not _PLACE.search(english)}
    rest = [english for english in VIETNAMESE if english not in exact]
    rest.sort(key=lambda english: (english.startswith("{"), -len(_PLACE.sub("", english))))
    return exact, [(_pattern(english), VIETNAMESE[english]) for english in rest]


def _pattern(english: str) -> re.Pattern[str]:
    """`{n}` and `{n2}` match numbers; other names match any text, including none."""
    parts = _PLACE.split(english)
    made = [re.escape(parts[0])]
    for name, literal in zip(parts[1::2], parts[2::2], strict=True):
        values = _NUMBER if re.fullmatch(r"n\d?", name) else ".*?"
        words = re.escape(literal)
        made += [f"(?P<{name}>{values})", _OF_ONE.sub(_of_one, words) if values is _NUMBER else words]
    return re.compile("".join(made), re.DOTALL)


def _of_one(words: re.Match[str]) -> str:
    """`{n} rows were` is also said of one row."""
    many, verb = words[1], words[2] or ""
    one = many.removesuffix("people") + "person" if many.endswith("people") else many.removesuffix("s")
    of_one = {"": "", r"\ are": r"\ is", r"\ were": r"\ was", r"\ have": r"\ has", r"\ do": r"\ does"}
    return rf"(?:{many}{verb}|{one}{of_one.get(verb, f'{verb}s')})"


def error_kind(error: BaseException) -> str:
    """The kind of the error in the chosen language; empty in English, where the messages include it."""
    if not in_vietnamese():
        return ""
    from esms_connectors.cli.vietnamese import ERROR_KINDS

    names = [kind.__name__ for kind in type(error).__mro__]
    return next((ERROR_KINDS[name] for name in names if name in ERROR_KINDS), "")
