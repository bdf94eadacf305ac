"""What a reading brings: recipients, the report of it, and the value that both come in."""

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
    Somebody to send to.

    Attributes:
        phone: `0…`, ten digits; in another spelling it is the same person.
        template_params: values by position, or by name in the order of the template.
        row_key: tells the rows of a run apart: the value of the key column, else the phone, with `#2`, `#3` … for
            one that is kept several times.
        line: where the row begins.
    """

    phone: str = field(repr=False)
    template_params: tuple[str, ...] | Mapping[str, str] = field(repr=False)
    row_key: str = field(repr=False)
    line: int


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """
    Why a row is no recipient.

    Attributes:
        column: the one at fault; empty when it is the row as a whole.
        reason: to be counted; the same for all rows with this fault.
        text: the reason in full; it quotes nothing of the row.
    """

    line: int
    column: str
    reason: str
    text: str


@dataclass(slots=True)
class ReadReport:
    """
    What a reading came to; filled while it goes on. `rows` = accepted + rejected + conflicts + duplicates that were
    merged.

    Attributes:
        blank: rows whose cells are all empty, as spreadsheets leave them; counted nowhere else.
        respelled: accepted phones that were written otherwise than they are sent.
        migrated: accepted phones with a prefix of before 2018.
        duplicates: rows whose phone an earlier row has; dropped or kept as `read_recipients` was told.
        conflicts: rows that `check` refused: sent in the same run before, as something else.
        rejected_by: rows by (column, reason).
        first_rejects, first_conflicts, first_duplicates, first_migrated: the first hundred, to be shown: rows, rows,
            lines, and (line, old number, new number) with the numbers masked.
        notes: what a person should know who reads the same file, such as rows that it hides.
        sent_damaged: values that are damaged and are sent as they are, by (column, reason).
        samples: a word of a damaged text for each (column, reason).
        further_phones: recipients beyond the first of their row; not among `rows`.
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
        """The report that `as_dict` told of."""
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
        """For JSON; without a phone in full."""
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
    Checked rows, and what tells them apart. Iterating reads them, anew each time.

    Args:
        rows: a list, or a function that starts a reading. An iterator can be read once: what another worker left behind
            is then not taken up in a second reading.
        key_column: name of the column whose values are the `row_key` of the rows. A run remembers it, because the same
            rows under other keys would be sent again.

    Attributes:
        report: of the reading that was begun last; None where the rows were checked elsewhere.
    """

    def __init__(
        self,
        rows: Iterable[Recipient] | Callable[[], Iterable[Recipient]],
        key_column: str = PHONE_KEY,
        *,
        repeatable: bool | None = None,
    ) -> None:
        self._rows = rows
        self.key_column = key_column
        self.report: ReadReport | None = None
        self.repeatable = not isinstance(rows, Iterator) if repeatable is None else repeatable
        if isinstance(rows, Sequence) and key_column == PHONE_KEY:
            # Before a run is registered under the wrong column.
            for one in rows:
                _check_phone_is_key(one)

    @classmethod
    def of(cls, rows: Recipients | Iterable[Recipient]) -> Recipients:
        """`rows` as this value; a bare list has the phone for a key."""
        return rows if isinstance(rows, Recipients) else cls(rows)

    def __repr__(self) -> str:
        return f"Recipients(key_column={self.key_column!r})"

    def __iter__(self) -> Iterator[Recipient]:
        """
        Raises:
            InvalidRequestError: a row has a key of its own, and no key column was named.
        """
        # What is read anew was made by a reader, which has one spelling for each phone; a list may be anybody's.
        rows = self._rows() if callable(self._rows) else map(_in_one_spelling, self._rows)
        return iter(rows) if self.key_column != PHONE_KEY else self._with_phones_as_keys(rows)

    def _with_phones_as_keys(self, rows: Iterable[Recipient]) -> Iterator[Recipient]:
        for one in rows:
            _check_phone_is_key(one)
            yield one


def _in_one_spelling(one: Recipient) -> Recipient:
    """Somebody who is in the list as 0… and as 84… is one person: phone, and the key where that is the phone."""
    number = match_common_spelling(one.phone) or read_phone(one.phone)[0]
    if not number or number == one.phone:
        return one
    named_by_phone = one.row_key == one.phone or one.row_key.startswith(f"{one.phone}#")
    return replace(one, phone=number, row_key=number + one.row_key[len(one.phone) :] if named_by_phone else one.row_key)


def _check_phone_is_key(one: Recipient) -> None:
    if one.row_key != one.phone and not one.row_key.startswith(f"{one.phone}#"):
        raise InvalidRequestError(
            f"The row in line {one.line} has a key of its own, which is not its phone: say of which column, as in "
            'Recipients(rows, key_column="code"). A run remembers it.',
            field="key_column",
            row=one.line,
        )
