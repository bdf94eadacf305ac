"""Converts the cells of a row to the values of a message: undamaged text in the form that its template requires."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from esms_connectors.gateway import wire
from esms_connectors.gateway.arguments import check_template_params
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate
from esms_connectors.gateway.redaction import mask_phones
from esms_connectors.recipients.cells import SheetDate, SheetDateTime, UnreadableCell
from esms_connectors.recipients.columns import Columns
from esms_connectors.recipients.damage import CONTROL_CHARACTER, are_suspicious, plain_lines, sample_of, value_damage
from esms_connectors.recipients.delimited import holds_rows
from esms_connectors.recipients.typed_values import Typed, typed_reader

_NO_LIMIT = 1 << 60
_OLD_FONTS = {"TCVN3": "tcvn3", "VNI": "vni"}


class RowRejectedError(Exception):
    """
    A row that cannot be sent to.

    Attributes:
        column, value: the cell at fault.
        reason, text: a reason suitable for counting, and the reason in full.
        sample: of a damaged text, the part that shows the damage.
    """

    def __init__(self, column: str, value: object, reason: str, text: str = "", sample: str = "") -> None:
        super().__init__(reason)
        self.column, self.value, self.reason, self.text = column, value, reason, text or reason
        self.sample = sample


class ValueReader:
    """
    Reads the values of rows.

    Args:
        columns: already checked against `template`.
        as_is: send damaged texts unchanged, except those with control characters.

    Attributes:
        sent_damaged: damaged values that are sent unchanged, by (column, reason); `samples` has one for each.
        doubtful: values that do not look like the type of their variable, by column.
    """

    def __init__(self, columns: Columns, template: ZnsTemplate | None, as_is: bool) -> None:
        self.template = template
        self.columns = columns.param_columns
        self.names = columns.param_names
        self.as_is = as_is
        self.sent_damaged: Counter[tuple[str, str]] = Counter()
        self.samples: dict[tuple[str, str], str] = {}
        self.doubtful: Counter[str] = Counter()
        chosen = self._rules()
        # An empty value always needs a closer check: other rules apply to it.
        self._limits = [
            (max(rule.min_length or 0, 1), _NO_LIMIT if rule.max_length is None else rule.max_length) for rule in chosen
        ]
        self._types = [(at, read) for at, rule in enumerate(chosen) if (read := typed_reader(rule.param_type))]
        self._by_position = dict(self._types)

    def _rules(self) -> Sequence[Any]:
        if self.template is None:
            return ()
        rules = {param.name: param for param in self.template.params}
        return self.template.params if self.names is None else [rules[name] for name in self.names]

    def read(self, cells: Sequence[Any], params_at: Sequence[int]) -> list[str]:
        """
        The values of a row, in the order of the columns.

        Raises:
            RowRejectedError: one of them cannot be sent.
        """
        try:
            params: list[str] = [cells[at].strip() for at in params_at]
            joined = "".join(params)
            if not joined.isascii():
                joined.encode()
                if not unicodedata.is_normalized("NFC", joined):
                    params = [unicodedata.normalize("NFC", value) for value in params]
        except (AttributeError, TypeError, UnicodeEncodeError):
            params = [self._text(number, cells[at]) for number, at in enumerate(params_at)]
        if are_suspicious(params):
            params = [self._undamaged(column, value) for column, value in zip(self.columns, params, strict=True)]
        for at, read in self._types:
            params[at] = self._taken(at, params[at], read(params[at]))
        if self.template is not None:
            for (shortest, longest), value in zip(self._limits, params, strict=True):
                if not shortest <= len(value) <= longest:
                    self._check(self.template, params)
                    break
        return params

    def _taken(self, at: int, value: object, found: Typed) -> str:
        column = self.columns[at]
        if found.reason:
            raise RowRejectedError(column, value, found.reason)
        if found.doubtful:
            self.doubtful[column] += 1
        return found.text

    def _undamaged(self, column: str, value: str) -> str:
        """The value, unless it is damaged; line breaks are kept in an SMS, and become blanks in a template value."""
        lines = plain_lines(value, one_line=False)
        if "\n" in lines and holds_rows(lines):
            raise RowRejectedError(column, value, "has lines that look like separate rows")
        value = plain_lines(lines, one_line=True) if self.template is not None else lines
        if not (reason := value_damage(value)):
            return value
        sample = mask_phones(sample_of(value, reason))
        if self.as_is and reason != CONTROL_CHARACTER:
            self.sent_damaged[column, reason] += 1
            self.samples.setdefault((column, reason), sample)
            return value
        font = next((font for word, font in _OLD_FONTS.items() if word in reason), "")
        raise RowRejectedError(column, value, reason, f"{reason}; encoding={font} converts it" if font else "", sample)

    def _text(self, at: int, value: object) -> str:
        """A value that is not plain text, or that is in a row with such a value."""
        column = self.columns[at]
        if isinstance(value, UnreadableCell):
            raise RowRejectedError(column, value, value.reason)
        if value is None:
            return self._empty(column)
        if at in self._by_position and not isinstance(value, str):
            return self._taken(at, value, self._by_position[at](value))
        if isinstance(value, SheetDate | SheetDateTime):
            return str(value)
        try:
            return unicodedata.normalize("NFC", wire.template_param(value, column).strip())
        except InvalidRequestError as error:
            reason = "has half a character" if isinstance(value, str) else f"is {type(value).__name__}, not text"
            raise RowRejectedError(column, value, reason, str(error)) from None

    def _empty(self, column: str) -> str:
        if self.template is None:
            raise RowRejectedError(
                column, None, "is NULL", "is NULL. Give a text, or the template, which says whether it may be empty"
            )
        return ""

    def _check(self, template: ZnsTemplate, params: Sequence[str]) -> None:
        """Check the values against the template; the errors are those of the gateway client."""
        rules = template.params
        values = list(params)
        if self.names is not None:
            named = dict(zip(self.names, params, strict=True))
            values = [named.get(rule.name, "") for rule in rules]
        try:
            check_template_params(template, values)
        except InvalidRequestError as error:
            names = [rule.name for rule in rules]
            at = names.index(error.field)
            value, rule = values[at], rules[at]
            shown = self.names.index(error.field) if self.names is not None else at
            if not value:
                reason = "is empty"
            else:
                reason = "is too short" if len(value) < (rule.min_length or 0) else "is too long"
            raise RowRejectedError(self.columns[shown], value, reason, str(error)) from None
