"""
Localized words, numbers and dates, in English and Vietnamese.

`get_language("vi")` returns a language; its `cell` formats table cells, and it has a method for each kind of name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from esms_connectors.gateway.codes import CODES
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.reports.model import Cell, Figure, Kind, Note, Period, Term
from esms_connectors.reports.words import WORDS
from esms_connectors.sending.guard.rules import RULES, RuleName

try:
    from babel import Locale
    from babel.dates import format_date
    from babel.numbers import format_decimal, format_percent
except ImportError:
    raise ConfigurationError("Reports need the extra [reports]: pip install 'esms-connectors[reports]'") from None

LANGUAGES = ("en", "vi")
NOT_KNOWN = "–"

_ZONE = ZoneInfo(VIETNAM)
_DAY_PATTERN = {"en": "d MMM y", "vi": "dd/MM/y"}
_WHOLE_FROM = 100_000  # larger amounts are shown without fractions of a đồng


@dataclass(frozen=True, slots=True)
class Language:
    """Attributes: code: as in the attribute `lang` of HTML."""

    code: Literal["en", "vi"]

    # --- words -------------------------------------------------------------------------------------------------------

    def word(self, key: str) -> str:
        """The words of `key` in `words.py`."""
        return WORDS[key][LANGUAGES.index(self.code)]

    def title(self, table: str) -> str:
        return self.word(f"table.{table}")

    def column(self, table: str, column: str) -> str:
        own = f"column.{table}.{column}"
        return self.word(own if own in WORDS else f"column.{column}")

    def figure(self, name: str) -> str:
        return self.word(f"figure.{name}")

    def term(self, term: str) -> str:
        """The words of a Term; unknown types and codes of the gateway are shown by number."""
        if term in WORDS:
            return self.word(term)
        family, _, rest = term.partition(".")
        match family:
            case "type":
                return self.word("type.other").format(number=rest)
            case "rule" | "rule_to_do" if rest in RULES:
                rule = RULES[RuleName(rest)]
                english, vietnamese = (
                    (rule.english, rule.vietnamese) if family == "rule" else (rule.what_to_do, rule.what_to_do_vi)
                )
                return vietnamese if self.code == "vi" else english
            case "code":
                known = CODES.get(rest)
                if known is None:
                    return self.word("code.unknown")
                return known.vietnamese if self.code == "vi" else known.english
        return term

    def note(self, note: Note) -> str:
        return self.word(f"note.{note.name}").format(
            **{name: self._plain(value) for name, value in note.values.items()}
        )

    def _plain(self, value: Cell) -> str:
        """Format a value of a note, whose kind follows from its type because notes have no columns."""
        match value:
            case Term():
                # A note may list several terms.
                return ", ".join(self.term(one) for one in value.split())
            case datetime():
                return self.cell(Kind.MOMENT, value)
            case date():
                return self.cell(Kind.DAY, value)
            case int():
                return self.cell(Kind.COUNT, value)
        return self.cell(Kind.TEXT, value)

    # --- cells -------------------------------------------------------------------------------------------------------

    def cell(self, kind: Kind, value: Cell) -> str:
        """A cell as text, for formats without number and date types."""
        match kind, value:
            case _, None:
                return NOT_KNOWN
            case _, Term():
                return self.term(value)
            case Kind.COUNT, int():
                return format_decimal(value, locale=self._locale)
            case Kind.MONEY, int() | float() | Decimal():
                pattern = "#,##0" if abs(float(value)) >= _WHOLE_FROM else "#,##0.##"
                return format_decimal(value, format=pattern, locale=self._locale) + "\u00a0₫"
            case Kind.SHARE, int() | float() | Decimal():
                # Do not round 99.96 % up to 100 %.
                share = 0.999 if 0.999 < float(value) < 1 else float(value)
                return format_percent(share, format="#,##0.0%", locale=self._locale)
            case Kind.DURATION, int() | float() | Decimal():
                return self._duration(float(value))
            case Kind.MOMENT, datetime():
                local = value.astimezone(_ZONE)
                return f"{self._day(local)} {local:%H:%M}"
            case Kind.DAY, date():
                return self._day(value)
        return str(value)

    def change(self, figure: Figure) -> str:
        """The change of a figure; for a share in percentage points."""
        change = figure.change
        if change is None:
            return NOT_KNOWN
        points = figure.kind is Kind.SHARE
        # Rounded first: a change shown as zero has no sign.
        percent = round(change * 100, 1)
        pattern = "+#,##0.0;-#,##0.0" if percent else "0.0"
        number = format_decimal(percent or 0, format=pattern, locale=self._locale)
        if points:
            return f"{number}\u00a0{'điểm %' if self.code == 'vi' else 'points'}"
        return f"{number}%"

    def period(self, period: Period) -> str:
        """`1 Nov 2026`, `1 Nov 2026 – 7 Nov 2026`, or with times where it does not begin and end at midnight."""
        start, end = period.start.astimezone(_ZONE), period.end.astimezone(_ZONE)
        if any(moment.time() != time() for moment in (start, end)):
            return f"{self.cell(Kind.MOMENT, start)} – {self.cell(Kind.MOMENT, end)}"
        last = end - timedelta(days=1)
        if last.date() == start.date():
            return self._day(start)
        return f"{self._day(start)} – {self._day(last)}"

    def _day(self, day: date) -> str:
        return format_date(day, format=_DAY_PATTERN[self.code], locale=self._locale)

    def _duration(self, seconds: float) -> str:
        vietnamese = self.code == "vi"
        whole = round(seconds)
        if whole < 60:
            return f"{whole}\u00a0{'giây' if vietnamese else 's'}"
        minutes = round(seconds / 60)
        if minutes < 60:
            return f"{minutes}\u00a0{'phút' if vietnamese else 'min'}"
        hours, minutes = divmod(minutes, 60)
        if hours < 48:
            words = f"{hours}\u00a0{'giờ' if vietnamese else 'h'}"
            return words + (f" {minutes:02}\u00a0{'phút' if vietnamese else 'min'}" if minutes else "")
        days, hours = divmod(hours, 24)
        words = f"{days}\u00a0{'ngày' if vietnamese else 'd'}"
        return words + (f" {hours}\u00a0{'giờ' if vietnamese else 'h'}" if hours else "")

    @property
    def _locale(self) -> Locale:
        return _LOCALES[self.code]


_LOCALES = {code: Locale.parse(code) for code in LANGUAGES}
_BY_CODE = {"en": Language("en"), "vi": Language("vi")}


def get_language(code: str) -> Language:
    """
    Raises:
        InvalidRequestError: an unsupported language.
    """
    if code not in _BY_CODE:
        raise InvalidRequestError(f"Reports are in English (en) or Vietnamese (vi), not in {code!r}.", field="language")
    return _BY_CODE[code]
