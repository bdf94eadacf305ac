"""Which column holds what."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate
from esms_connectors.gateway.phones import read_phone
from esms_connectors.recipients.headers import fold, odd_characters, shown

_SHOWN = 30
# The key column of rows that are identified by their phone.
PHONE_KEY = "phone"


@dataclass(frozen=True, slots=True)
class Columns:
    """
    The columns of a recipient's phone, template values and key.

    Attributes:
        phone: column of the number.
        params: columns of the values in the order of the template (bulk ZNS), or variable name -> column.
        key_column: column that identifies the rows of a run, such as an order number; None uses the phone.
    """

    phone: str = "phone"
    params: Sequence[str] | Mapping[str, str] = ()
    key_column: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.params, str):
            raise InvalidRequestError("params takes a list of columns; Columns.parse reads one text.", field="params")
        if self.key_column is not None and fold(self.key_column) == fold(self.phone):
            # The number as written in the source would be another key than the normalised number.
            object.__setattr__(self, "key_column", None)

    def one_per_phone(self, duplicates: str | None) -> bool:
        """Whether a phone with rows of several keys gets one message. With the phone as key it has one row."""
        return duplicates == "merge" and self.key_column is not None

    @classmethod
    def parse(cls, params: str, *, phone: str = "phone", key_column: str | None = None) -> Columns:
        """
        Parse the form of the command line: `name,service,code` by position, `name,code=ma_khach` by name.

        One `=` makes all of them named; a name alone is then also its column. A column name with a comma is put in
        double quotes.
        """
        items = next(csv.reader([params], skipinitialspace=True), [])
        items = [item.strip() for item in items]
        if not all(items):
            raise InvalidRequestError(f"params has an empty name in {params!r}.", field="params")
        if not any("=" in item for item in items):
            return cls(phone, tuple(items), key_column)
        named: dict[str, str] = {}
        for item in items:
            name, _, column = (part.strip() for part in item.partition("="))
            if not name or ("=" in item and not column) or name in named:
                raise InvalidRequestError(
                    f"params: {item!r} is not variable=column, or its name is given twice.", field="params"
                )
            named[name] = column or name
        return cls(phone, named, key_column)

    @property
    def key_name(self) -> str:
        """What identifies the rows, as a run records it."""
        if self.key_column is None:
            return PHONE_KEY
        # A column of that name that does not hold the phone is another key.
        return f"column {self.key_column}" if fold(self.key_column) == PHONE_KEY else self.key_column

    @property
    def param_columns(self) -> tuple[str, ...]:
        return tuple(self.params.values() if isinstance(self.params, Mapping) else self.params)

    @property
    def param_names(self) -> tuple[str, ...] | None:
        """Variable names, or None if the values are given by position."""
        return tuple(self.params) if isinstance(self.params, Mapping) else None

    @property
    def wanted(self) -> tuple[str, ...]:
        """Every column that is read, each once."""
        key = () if self.key_column is None else (self.key_column,)
        return tuple(dict.fromkeys((self.phone, *key, *self.param_columns)))

    def for_template(self, template: ZnsTemplate) -> Columns:
        """
        These columns, checked against the template's variables; named ones are returned in the template's order.

        Raises:
            InvalidRequestError: the number of positions differs, the template has no such variable, or a required one
                is missing.
        """
        names = [param.name for param in template.params]
        listed = ", ".join(names) or "none"
        if not isinstance(self.params, Mapping):
            if len(self.params) != len(names):
                raise InvalidRequestError(
                    f"Template {template.template_id} takes {counted(len(names), 'param')} ({listed}), but "
                    f"{counted(len(self.params), 'column is', 'columns are')} given.",
                    field="params",
                )
            return self
        for name in self.params:
            if name not in names:
                raise InvalidRequestError(
                    f"Template {template.template_id} has no variable {name}{_nearest(name, names)}. It has: {listed}.",
                    field="params",
                )
        for param in template.params:
            if param.name not in self.params and param.required and not param.accepts_null:
                raise InvalidRequestError(
                    f"Template {template.template_id} needs {param.name}; name the column that contains it.",
                    field="params",
                )
        return Columns(self.phone, {name: self.params[name] for name in names if name in self.params}, self.key_column)

    def locate(self, names: Sequence[str], source: str) -> dict[str, int]:
        """
        The position of each wanted column among `names`.

        Raises:
            InvalidRequestError: some are missing; the message lists them, the existing columns and similar names.
        """
        folded = [fold(name) for name in names]
        at = {name: position for position, name in reversed(list(enumerate(folded)))}
        for column in self.wanted:
            if folded.count(fold(column)) > 1:
                raise InvalidRequestError(
                    f"{source} has the column {shown(column)} twice; rename one of the two.", field="source"
                )
        missing = [column for column in self.wanted if fold(column) not in at]
        if not missing:
            return {column: at[fold(column)] for column in self.wanted}
        if any(looks_like_phone(name) for name in names):
            # Personal data, not column names: report it without repeating it.
            there = (
                "Its first line, or the given row, contains a phone number or another long number, so it is not a "
                "header line: a header line with the column names is needed."
            )
        else:
            listed = ", ".join(shown(name) for name in names[:_SHOWN] if name)
            there = (
                f"It has: {listed or 'none'}{' and more' if len(names) > _SHOWN else ''}.{self._advice(missing, names)}"
            )
        what = ", ".join(column + _nearest(column, names) for column in missing)
        raise InvalidRequestError(
            f"{source} has no column {what}. {there}",
            field=missing[0],
        )

    def _advice(self, missing: Sequence[str], names: Sequence[str]) -> str:
        """How to name the columns that the source has."""
        if len(names) == 1 and re.search("[,;|\t]", names[0]):
            return " That is one column: is the delimiter right?"
        advice = " Set phone_column to the column with the phones." if self.phone in missing else ""
        if any(column in missing for column in self.param_columns):
            advice += " A param is taken from a column of another name by name=column."
        return advice


def repeated(names: Iterable[str]) -> str | None:
    """The first name that occurs twice; columns without a name do not count."""
    seen: set[str] = set()
    for name in names:
        folded = fold(name)
        if folded and folded in seen:
            return name
        seen.add(folded)
    return None


def looks_like_phone(text: str) -> bool:
    return sum(character.isdigit() for character in text) >= 8 or bool(read_phone(text)[0])


def _nearest(name: str, names: Iterable[str]) -> str:
    by_fold = {fold(one).casefold(): one for one in names}
    near = difflib.get_close_matches(fold(name).casefold(), by_fold, n=1, cutoff=0.5)
    if not near:
        return ""
    meant = by_fold[near[0]]
    odd = odd_characters(meant)
    return f" (did you mean {shown(meant)}{f', written with {odd}' if odd else ''}?)"
