"""Which rows of a run an operator wants sent again, each identified unambiguously."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.gateway.redaction import mask_phone
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.ledger.rows import rule_of

_LISTED = 5


@dataclass(frozen=True, slots=True)
class RowChoice:
    """
    Rows selected in any of these ways; the selections add up.

    Attributes:
        phones: in any spelling.
        row_keys: as in the key column.
        request_ids: as `esms ledger export` shows them.
        lines: ranges of lines of the source. Refused for a run that was fed from more than one source: line 2 of a
            repaired rejects file is another recipient than line 2 of the list.
        states: held, unknown or rejected: all rows in that state; for rejected, those that the gateway refused.
        code: of these, only rows that were refused with this code.
    """

    phones: Sequence[str] = field(default=(), repr=False)
    row_keys: Sequence[str] = field(default=(), repr=False)
    request_ids: Sequence[str] = ()
    lines: Sequence[range] = ()
    states: Sequence[SendState] = ()
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """
    What `release_rows` did.

    Attributes:
        released: rows that the next send of the run will send.
        accepted: of these, rows that had been accepted: their recipients get the message twice.
        rows: the first of them, for display: line, phone and key, masked.
    """

    released: int
    accepted: int
    rows: tuple[str, ...]


def release_rows(
    ledger: Ledger, run_key: str, choice: RowChoice, *, reason: str, even_accepted: bool = False
) -> Released:
    """
    Let rows be sent again even though they may have arrived. The next send of the run sends them.

    Raises:
        InvalidRequestError: there is no such run, a name matches no row or more than one, or rows were accepted and
            `even_accepted` is False.
    """
    ledger.check_phone_secret(run_key, ledger.run_about(run_key))
    chosen = _chosen(ledger, run_key, choice)
    accepted = sum(row["state"] == SendState.ACCEPTED for row in chosen)
    if accepted and not even_accepted:
        raise InvalidRequestError(
            f"{accepted} of the {counted(len(chosen), 'row')} had been accepted: those people would get it twice. "
            "Choose other rows, or use --even-accepted.",
            field="rows",
        )
    released = ledger.release(run_key, [row["request_id"] for row in chosen], reason)
    # The gateway has not accepted them, so they may be sent with corrected content.
    ledger.forget_content(run_key, [row["request_id"] for row in chosen if row["state"] == SendState.REJECTED])
    return Released(released, accepted, tuple(_shown(row) for row in chosen[:_LISTED]))


def _chosen(ledger: Ledger, run_key: str, choice: RowChoice) -> list[dict[str, Any]]:
    phones = {ledger.hash_phone(normalise_phone(phone)): mask_phone(phone) for phone in choice.phones}
    keys = {ledger.hash_phone(key): mask_phone(key) for key in choice.row_keys}
    ids = set(choice.request_ids)
    found: dict[str, dict[str, dict[str, Any]]] = {"phone": {}, "row_key": {}, "request_id": {}}
    chosen: dict[str, dict[str, Any]] = {}
    lines = _Lines(choice.lines)
    for row in ledger.rows(run_key):
        by_name = False
        for name, wanted in (("phone", phones), ("row_key", keys), ("request_id", ids)):
            if row[name] in wanted:
                _only(found[name], row, name)
                by_name = True
        if lines.has(row["line"]) or by_name or _is_meant(row, choice):
            chosen[row["request_id"]] = row
    lines.check()
    _check_found("phone", phones, found["phone"])
    _check_found("row key", keys, found["row_key"])
    _check_found("request id", dict.fromkeys(ids, ""), found["request_id"])
    return list(chosen.values())


def _is_meant(row: Mapping[str, Any], choice: RowChoice) -> bool:
    """Selected by state; rows that a rule of the guard skipped were not refused by the gateway."""
    if row["state"] not in choice.states or rule_of(row["code"]) is not None:
        return False
    return choice.code is None or row["code"] == choice.code


def _only(found: dict[str, dict[str, Any]], row: dict[str, Any], name: str) -> None:
    other = found.setdefault(row[name], row)
    if other is not row:
        raise InvalidRequestError(
            f"{_shown(row)} and {_shown(other)} have the same {name.replace('_', ' ')}: choose one of the two with "
            f"{'--key' if name == 'phone' else '--rows and the request id of ledger export'}.",
            field=name,
        )


def _check_found(what: str, wanted: Mapping[str, str], found: Mapping[str, object]) -> None:
    if missing := [shown or name for name, shown in wanted.items() if name not in found]:
        raise InvalidRequestError(
            f"The run has no row with the {what} {missing[0]}; nothing was released.", field="rows"
        )


class _Lines:
    """The selected lines, compared with those of the whole run."""

    def __init__(self, wanted: Sequence[range]) -> None:
        self._wanted = wanted
        self._seen = bytearray()
        self._twice: int | None = None
        self._found = [False] * len(wanted)

    def has(self, line: int) -> bool:
        if not self._wanted:
            return False
        if line >= len(self._seen):
            self._seen.extend(bytes(max(line + 1 - len(self._seen), len(self._seen), 1024)))
        if self._seen[line]:
            self._twice = line
        self._seen[line] = 1
        inside = [line in span for span in self._wanted]
        self._found = [before or now for before, now in zip(self._found, inside, strict=True)]
        return any(inside)

    def check(self) -> None:
        if self._wanted and self._twice is not None:
            raise InvalidRequestError(
                f"The run has two rows of line {self._twice}: it has read more than one list, so the line is "
                "ambiguous. Use --phone or --key; nothing was released.",
                field="rows",
            )
        for span, found in zip(self._wanted, self._found, strict=True):
            if not found:
                shown = span.start if len(span) == 1 else f"{span.start}-{span.stop - 1}"
                raise InvalidRequestError(f"The run has no row of line {shown}; nothing was released.", field="rows")


def _shown(row: Mapping[str, Any]) -> str:
    key = "" if row["row_key"] == row["phone"] else f", key {mask_phone(row['row_key'])}"
    return f"line {row['line']} ({mask_phone(row['phone'])}{key})"
