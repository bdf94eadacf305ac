"""Turns rows into recipients: checks phones, values and keys, finds duplicates, counts everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from itertools import chain, islice
from typing import Any, Literal, NamedTuple

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate
from esms_connectors.gateway.phones import match_common_spelling
from esms_connectors.gateway.redaction import mask_phone, mask_phones
from esms_connectors.gateway.request_ids import MAX_KEY_LENGTH
from esms_connectors.recipients.columns import Columns
from esms_connectors.recipients.delimited import ShortRow
from esms_connectors.recipients.keys import clean_key, doubt_of
from esms_connectors.recipients.models import LISTED, ReadReport, Recipient, Recipients, RejectedRow
from esms_connectors.recipients.phone_lists import numbers_in_cell
from esms_connectors.recipients.phones import clean_phone, float_like, is_narrow
from esms_connectors.recipients.rejects import RejectsFile
from esms_connectors.recipients.rows import Rows
from esms_connectors.recipients.seen import KeySet, PhoneSet
from esms_connectors.recipients.sources import Layout, Source, is_repeatable, open_rows
from esms_connectors.recipients.values import RowRejectedError, ValueReader

# Of Zalo user ids: as much as the ledger has room for.
MAX_USER_ID_LENGTH = 64
_LOOKED_AT_FIRST = 100
_CHECKED_AT_ONCE = 1_000


Check = Callable[[Sequence[Recipient]], Sequence[str]]
TwoPhones = Literal["refuse", "first", "both"]


def read_recipients(
    source: Source,
    columns: Columns,
    *,
    template: ZnsTemplate | None = None,
    duplicates: Literal["merge", "keep"] = "merge",
    migrate_2018: bool = True,
    rejects: RejectsFile | None = None,
    report: ReadReport | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    header_row: int | None = None,
    hidden_rows: Literal["refuse", "read"] = "refuse",
    two_phones: TwoPhones = "refuse",
    as_is: bool = False,
    zalo_users: bool = False,
    check: Check | None = None,
) -> Recipients:
    """
    The recipients of `source` in its order, read anew each time they are iterated over; a row that cannot be sent is
    reported and left out.

    Values are stripped of surrounding blanks and composed (NFC), so that their lengths are those that the recipient
    sees; a number is written as it is. Floats, booleans and dates are refused, because their text form is ambiguous.
    NULL is an empty text, which is accepted only if `template` allows it.

    Memory use: at most 45 MB for the phones seen, 12 to 36 bytes for each row key, and with `keep` about 200 bytes for
    every phone that occurs more than once.

    Args:
        source: see `open_rows`. To read it twice, once to check and once to send, ask `is_repeatable` first.
        template: every row is checked against its rules; named values are returned in its order.
        duplicates: what to do with a phone that an earlier row has: drop the row, or keep it under `phone#2`.
        migrate_2018: convert 11-digit numbers from before 2018 to their present form; False refuses them.
        rejects: receives the rows refused by the first reading; the caller closes it.
        report: filled by the first reading; each later one has its own, see `Recipients.report`.
        encoding, delimiter, sheet, header_row, hidden_rows: of a file, see `Layout`.
        two_phones: a cell that contains several numbers: refuse the row, send to the first, or to both (all).
        as_is: send damaged texts unchanged, and count them.
        zalo_users: the phone column holds Zalo user ids.
        check: called with up to a thousand rows at a time that are valid in themselves; a reason that is not empty
            makes a row a conflict.

    Raises:
        InvalidRequestError: columns and template do not match (at once); the source or a column does not exist (at the
            first row); the source is damaged (at that row).
        ConfigurationError: an extra is missing.
    """
    if duplicates not in ("merge", "keep"):
        raise InvalidRequestError(f"duplicates is merge or keep, not {duplicates!r}.", field="duplicates")
    if two_phones not in ("refuse", "first", "both"):
        raise InvalidRequestError(f"two_phones is refuse, first or both, not {two_phones!r}.", field="two_phones")
    if template is not None:
        columns = columns.for_template(template)
    if rejects is not None:
        rejects.check_source(source, columns.wanted)
    layout = Layout(encoding, delimiter, sheet, header_row, hidden_rows)
    opened = partial(open_rows, source, columns=columns.wanted, layout=layout)
    first = [(rejects, report or ReadReport())]

    def read() -> Iterator[Recipient]:
        into, recipients.report = first.pop() if first else (None, ReadReport())
        reader = _Reader(
            columns,
            template,
            into,
            recipients.report,
            ValueReader(columns, template, as_is),
            keep=duplicates == "keep",
            migrate_2018=migrate_2018,
            check=check,
            two_phones=two_phones,
            zalo_users=zalo_users,
        )
        return reader.read(opened)

    merged = columns.one_per_phone(duplicates)
    recipients = Recipients(read, columns.key_name, repeatable=is_repeatable(source), merged=merged)
    return recipients


class _Places(NamedTuple):
    """The positions of the columns in a row; how many cells a row needs, and how many the header has."""

    phone: int
    params: Sequence[int]
    key: int | None
    shortest: int
    width: int


@dataclass(slots=True)
class _Reader:
    """One reading of one source. Fields as the arguments of `read_recipients`; `keep` rows with the same phone."""

    columns: Columns
    template: ZnsTemplate | None
    rejects: RejectsFile | None
    report: ReadReport
    values: ValueReader
    _: KW_ONLY
    keep: bool
    migrate_2018: bool
    check: Check | None
    two_phones: TwoPhones
    zalo_users: bool
    phones: PhoneSet | KeySet = field(init=False)
    keys: KeySet = field(default_factory=KeySet, init=False)
    doubtful_keys: Counter[str] = field(default_factory=Counter, init=False)
    times_kept: Counter[str] = field(default_factory=Counter, init=False)
    further: list[str] = field(default_factory=list, init=False)
    narrow: bool = field(default=False, init=False)
    param_columns: tuple[str, ...] = field(init=False)
    param_names: tuple[str, ...] | None = field(init=False)

    def __post_init__(self) -> None:
        self.phones = KeySet() if self.zalo_users else PhoneSet()
        self.param_columns, self.param_names = self.columns.param_columns, self.columns.param_names

    def read(self, opened: Callable[[], AbstractContextManager[Rows]]) -> Iterator[Recipient]:
        report = self.report
        report.sent_damaged, report.samples = self.values.sent_damaged, self.values.samples
        with opened() as rows:
            report.notes = rows.notes
            if not rows.names:
                return  # a list without rows has no columns either
            read = self._right_rows(rows)
            if self.check is None:
                for recipient, _ in read:
                    report.accepted += 1
                    yield recipient
                return
            while batch := list(islice(read, _CHECKED_AT_ONCE)):
                reasons = self.check([recipient for recipient, _ in batch])
                for (recipient, cells), reason in zip(batch, reasons, strict=True):
                    if reason:
                        self._conflict(recipient.line, cells, reason, rows.names)
                    else:
                        report.accepted += 1
                        yield recipient

    def _right_rows(self, rows: Rows) -> Iterator[tuple[Recipient, Sequence[Any]]]:
        """Rows that are valid in themselves, with their cells; the others are counted."""
        report = self.report
        places = self._places(rows)
        begin = list(islice(rows, _LOOKED_AT_FIRST))
        self.narrow = _all_narrow(cells[places.phone] for _, cells, problem in begin if problem is None)
        for line, cells, problem in chain(begin, rows):
            report.rows += 1
            self.further = []
            try:
                recipient, duplicate = self._recipient(line, cells, problem, places)
            except RowRejectedError as why:
                # A row that is both short and invalid most likely lacks a cell before its end.
                self._reject(line, cells, why if problem is None else RowRejectedError("", "", problem), rows.names)
                continue
            if duplicate:
                report.duplicates += 1
                if len(report.first_duplicates) < LISTED:
                    report.first_duplicates.append(line)
                if not self.keep:
                    continue
            if recipient.phone != cells[places.phone]:
                report.respelled += 1
            yield recipient, cells
            if self.further:
                yield from self._further(recipient, cells, rows.names)
        self._note_doubtful()

    def _further(
        self, first: Recipient, cells: Sequence[Any], names: Sequence[str]
    ) -> Iterator[tuple[Recipient, Sequence[Any]]]:
        """The further numbers of a cell with several, as separate recipients."""
        for number, phone in enumerate(self.further, 2):
            duplicate = not self.phones.add(phone)
            if duplicate and not self.keep:
                continue
            if self.columns.key_column is None:
                key = self._next_key(phone) if duplicate else phone
            elif (too_long := len(key := f"{first.row_key}#{number}") > MAX_KEY_LENGTH) or not self.keys.add(key):
                problem = "is too long" if too_long else "is that of an earlier row"
                why = RowRejectedError(self.columns.key_column, key, problem, f"the row key {problem}")
                self._reject(first.line, cells, why, names)
                continue
            self.report.further_phones += 1
            yield replace(first, phone=phone, row_key=key), cells

    def _note_doubtful(self) -> None:
        for column, count in self.values.doubtful.items():
            self.report.notes.append(f"{counted(count, 'value')} of {column} not in a date format that Zalo accepts")
        for words, count in self.doubtful_keys.items():
            self.report.notes.append(f"{counted(count, 'value')} of {self.columns.key_column} {words}")

    def _places(self, rows: Rows) -> _Places:
        at = self.columns.locate(rows.names, rows.source)
        key = None if self.columns.key_column is None else at[self.columns.key_column]
        params = [at[column] for column in self.param_columns]
        return _Places(at[self.columns.phone], params, key, self._shortest(at), len(rows.names))

    def _recipient(
        self, line: int, cells: Sequence[Any], problem: str | None, places: _Places
    ) -> tuple[Recipient, bool]:
        """The recipient of a row, and whether an earlier row has the same phone."""
        if problem is not None:
            if not isinstance(problem, ShortRow) or len(cells) < places.shortest:
                raise RowRejectedError("", "", problem)
            cells = [*cells, *[""] * (places.width - len(cells))]
        key = None if places.key is None else self._key(cells[places.key])
        cell = cells[places.phone]
        phone = match_common_spelling(cell) if cell.__class__ is str and not self.zalo_users else None
        migrated = False
        if phone is None:
            phone, migrated = self._phone(cell)
        params = self.values.read(cells, places.params)
        duplicate = not self.phones.add(phone)
        if migrated and (self.keep or not duplicate):
            self._note_migrated(line, cell, phone)
        if key is None:
            key = self._next_key(phone) if duplicate and self.keep else phone
        named = self.param_names
        return (
            Recipient(phone, tuple(params) if named is None else dict(zip(named, params, strict=True)), key, line),
            duplicate,
        )

    def _next_key(self, phone: str) -> str:
        self.times_kept[phone] += 1
        return f"{phone}#{self.times_kept[phone] + 1}"

    def _phone(self, cell: object) -> tuple[str, bool]:
        if self.zalo_users:
            return self._text_key(self.columns.phone, cell, "Zalo user id", MAX_USER_ID_LENGTH), False
        found = clean_phone(cell, migrate_2018=self.migrate_2018, narrow=self.narrow)
        if found.number:
            return found.number, found.migrated
        if numbers := numbers_in_cell(cell):
            if self.two_phones == "refuse":
                words = "contains several numbers: choose whether the first or both get the message (two_phones)"
                raise RowRejectedError(self.columns.phone, cell, "contains several numbers", words)
            if self.two_phones == "both":
                self.further = numbers[1:]
            return numbers[0], False
        raise RowRejectedError(
            self.columns.phone, cell, found.reason, f"not a Vietnamese mobile number: {found.reason}"
        )

    def _key(self, value: object) -> str:
        column = self.columns.key_column or ""
        key = self._text_key(column, value, "row key", MAX_KEY_LENGTH)
        # Remembered even if the row is refused for another reason: it may come back repaired.
        if not self.keys.add(key):
            raise RowRejectedError(column, value, "is that of an earlier row", "the row key is that of an earlier row")
        if (key[0] == "0" or not key.isascii()) and column != self.columns.phone and (words := doubt_of(key)):
            self.doubtful_keys[words] += 1
        return key

    @staticmethod
    def _text_key(column: str, value: object, what: str, longest: int) -> str:
        """An id as text, whatever the type of its cell; `what` names it in messages."""
        found = clean_key(value, longest=longest)
        if found.reason:
            raise RowRejectedError(column, value, found.reason, f"the {what} {found.reason}")
        return found.text

    def _shortest(self, at: Mapping[str, int]) -> int:
        """The number of cells that a row must have: up to the last one that cannot be empty."""
        needed = {self.columns.phone, *self.param_columns}
        if self.template is not None:
            rules = {rule.name: rule for rule in self.template.params}
            names = self.param_names or tuple(rules)
            optional = (
                column
                for name, column in zip(names, self.param_columns, strict=True)
                if rules[name].accepts_null or not rules[name].required
            )
            needed -= {*optional} - {self.columns.phone}
        if self.columns.key_column is not None:
            needed.add(self.columns.key_column)
        return 1 + max(at[column] for column in needed)

    def _reject(self, line: int, cells: Sequence[object], why: RowRejectedError, names: Sequence[str]) -> None:
        report = self.report
        if cells and not any(cell is not None and str(cell).strip() for cell in cells):
            report.rows -= 1
            report.blank += 1
            return
        report.rejected += 1
        report.rejected_by[why.column, why.reason] += 1
        if why.sample:
            report.samples.setdefault((why.column, why.reason), why.sample)
        if len(report.first_rejects) < LISTED:
            report.first_rejects.append(RejectedRow(line, why.column, why.reason, why.text))
        if self.rejects is not None:
            shown = _masked(why.value, is_phone=why.column == self.columns.phone)
            self.rejects.add(line, why.column, shown, why.text, names, cells)

    def _conflict(self, line: int, cells: Sequence[object], reason: str, names: Sequence[str]) -> None:
        self.report.conflicts += 1
        if len(self.report.first_conflicts) < LISTED:
            self.report.first_conflicts.append(RejectedRow(line, "", reason, reason))
        if self.rejects is not None:
            self.rejects.add(line, "", "", reason, names, cells)

    def _note_migrated(self, line: int, cell: object, phone: str) -> None:
        self.report.migrated += 1
        if len(self.report.first_migrated) < LISTED:
            self.report.first_migrated.append((line, mask_phone(str(cell)), mask_phone(phone)))


def _all_narrow(cells: Iterable[object]) -> bool:
    """
    Whether the floats among the phones have been 32-bit floats, although their type is wider or they are text.

    pandas returns the numbers of a 32-bit column as ordinary floats. Such phones are multiples of 32 or 64; hardly any
    phone with all its digits is, so a column of nothing else has lost digits.
    """
    floats = [number for cell in cells if (number := float_like(cell)) is not None]
    return bool(floats) and all(map(is_narrow, floats))


def _masked(value: object, *, is_phone: bool) -> str:
    text = "" if value is None else str(value)
    if is_phone or not text:
        return mask_phone(text) if text else ""
    return mask_phones(text) if len(text) <= 4 else f"{text[:3]}… ({len(text)} characters)"
