"""The result of a reading: recipients, its report, and the object that holds both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.phones import match_common_spelling, read_phone
from esms_connectors.recipients.columns import PHONE_KEY

LISTED = 100
_COUNTS = ("rows", "blank", "accepted", "rejected", "conflicts", "duplicates", "respelled", "migrated")


@dataclass(frozen=True, slots=True)
class Recipient:
    """
    One recipient.

    Attributes:
        phone: `0…`, ten digits; another spelling is the same recipient.
        template_params: values by position, or by name in the order of the template.
        row_key: identifies the row in a run: the value of the key column, or else the phone, with `#2`, `#3` … if it is
            kept several times.
        line: the line on which the row begins.
    """

    phone: str = field(repr=False)
    template_params: tuple[str, ...] | Mapping[str, str] = field(repr=False)
    row_key: str = field(repr=False)
    line: int


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """
    Why a row was rejected.

    Attributes:
        column: the column at fault; empty if it is the row as a whole.
        reason: for counting; the same for all rows with this fault.
        text: the reason in full; it quotes nothing from the row.
    """

    line: int
    column: str
    reason: str
    text: str


@dataclass(slots=True)
class ReadReport:
    """
    The result of a reading, filled as it proceeds. `rows` = accepted + rejected + conflicts + duplicates that were
    merged.

    Attributes:
        blank: rows whose cells are all empty, as spreadsheets leave them; counted nowhere else.
        respelled: accepted phones that were written in another spelling than they are sent in.
        migrated: accepted phones with a prefix from before 2018.
        duplicates: rows whose phone an earlier row has; dropped or kept, as requested of `read_recipients`.
        conflicts: rows that `check` refused: sent in the same run before, as something else.
        rejected_by: rows by (column, reason).
        first_rejects, first_conflicts, first_duplicates, first_migrated: the first hundred, for display: rows, rows,
            lines, and (line, old number, new number) with the numbers masked.
        notes: remarks for people who look at the same file, such as on rows that it hides.
        sent_damaged: damaged values that are sent unchanged, by (column, reason).
        samples: a damaged word for each (column, reason).
        further_phones: recipients beyond the first of their row; not included in `rows`.
    """

    rows: int = 0
    blank: int = 0
    accepted: int = 0
    rejected: int = 0
    conflicts: int = 0
    duplicates: int = 0
    respelled: int = 0
    migrated: int = 0
    rejected_by: Counter[tuple[str, str]] = field(default_factory=Counter)
    first_rejects: list[RejectedRow] = field(default_factory=list)
    first_conflicts: list[RejectedRow] = field(default_factory=list)
    first_duplicates: list[int] = field(default_factory=list)
    first_migrated: list[tuple[int, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sent_damaged: Counter[tuple[str, str]] = field(default_factory=Counter)
    samples: dict[tuple[str, str], str] = field(default_factory=dict)
    further_phones: int = 0

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> ReadReport:
        """The report from the result of its `as_dict`."""
        counts = {name: told[name] for name in _COUNTS}
        return cls(
            **counts,
            rejected_by=Counter({(one["column"], one["reason"]): one["rows"] for one in told["rejected_by"]}),
            first_rejects=[
                RejectedRow(one["line"], one["column"], one["reason"], one["reason"]) for one in told["first_rejects"]
            ],
            first_conflicts=[
                RejectedRow(one["line"], "", one["reason"], one["reason"]) for one in told["first_conflicts"]
            ],
            first_duplicates=list(told["first_duplicates"]),
            first_migrated=[(one["line"], one["old"], one["new"]) for one in told["first_migrated"]],
            notes=list(told["notes"]),
            sent_damaged=Counter({(one["column"], one["reason"]): one["values"] for one in told["sent_damaged"]}),
            samples={
                (one["column"], one["reason"]): one["sample"]
                for one in (*told["rejected_by"], *told["sent_damaged"])
                if one["sample"]
            },
            further_phones=told["further_phones"],
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON; without full phones."""
        return {
            **{name: getattr(self, name) for name in _COUNTS},
            "rejected_by": [
                {"column": column, "reason": reason, "rows": rows, "sample": self.samples.get((column, reason))}
                for (column, reason), rows in self.rejected_by.most_common()
            ],
            "sent_damaged": [
                {"column": column, "reason": reason, "values": values, "sample": self.samples.get((column, reason))}
                for (column, reason), values in self.sent_damaged.most_common()
            ],
            "further_phones": self.further_phones,
            "first_rejects": [
                {"line": one.line, "column": one.column, "reason": one.text} for one in self.first_rejects
            ],
            "first_conflicts": [{"line": one.line, "reason": one.text} for one in self.first_conflicts],
            "first_duplicates": list(self.first_duplicates),
            "first_migrated": [{"line": line, "old": old, "new": new} for line, old, new in self.first_migrated],
            "notes": list(self.notes),
        }


class Recipients:
    """
    Checked rows, and what identifies them. Each iteration reads them anew.

    Args:
        rows: a list, or a function that starts a reading. An iterator can be read only once: rows that another worker
            has left are then not picked up by a second reading.
        key_column: name of the column whose values are the `row_key` of the rows. A run records it, because the same
            rows under other keys would be sent again.
        merged: rows with the same phone are one person's, who gets one message in the run, also if a later reading
            finds them in another order and thus begins with another key.

    Attributes:
        report: of the reading that began last; None if the rows were checked elsewhere.
    """

    def __init__(
        self,
        rows: Iterable[Recipient] | Callable[[], Iterable[Recipient]],
        key_column: str = PHONE_KEY,
        *,
        repeatable: bool | None = None,
        merged: bool = False,
    ) -> None:
        self._rows = rows
        self.key_column = key_column
        self.merged = merged
        self.report: ReadReport | None = None
        self.repeatable = not isinstance(rows, Iterator) if repeatable is None else repeatable
        if isinstance(rows, Sequence) and key_column == PHONE_KEY:
            # Checked now, before a run is registered under the wrong column.
            for one in rows:
                _check_phone_is_key(one)

    @classmethod
    def of(cls, rows: Recipients | Iterable[Recipient]) -> Recipients:
        """`rows` as `Recipients`; in a bare list, the phone is the key."""
        return rows if isinstance(rows, Recipients) else cls(rows)

    def __repr__(self) -> str:
        return f"Recipients(key_column={self.key_column!r})"

    def __iter__(self) -> Iterator[Recipient]:
        """
        Raises:
            InvalidRequestError: a row has a key other than its phone, and no key column was named.
        """
        # A function that starts a reading yields normalised phones; a list may come from any caller.
        rows = self._rows() if callable(self._rows) else map(_in_one_spelling, self._rows)
        return iter(rows) if self.key_column != PHONE_KEY else self._with_phones_as_keys(rows)

    def _with_phones_as_keys(self, rows: Iterable[Recipient]) -> Iterator[Recipient]:
        for one in rows:
            _check_phone_is_key(one)
            yield one


def _in_one_spelling(one: Recipient) -> Recipient:
    """Normalise the phone, and the key if that is the phone: 0… and 84… in a list are the same recipient."""
    number = match_common_spelling(one.phone) or read_phone(one.phone)[0]
    if not number or number == one.phone:
        return one
    named_by_phone = one.row_key == one.phone or one.row_key.startswith(f"{one.phone}#")
    return replace(one, phone=number, row_key=number + one.row_key[len(one.phone) :] if named_by_phone else one.row_key)


def _check_phone_is_key(one: Recipient) -> None:
    if one.row_key != one.phone and not one.row_key.startswith(f"{one.phone}#"):
        raise InvalidRequestError(
            f"The row in line {one.line} has a key that is not its phone: name its column, as in "
            'Recipients(rows, key_column="code"). A run remembers it.',
            field="key_column",
            row=one.line,
        )
