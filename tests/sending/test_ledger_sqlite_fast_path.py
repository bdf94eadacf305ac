"""The fast path of SQLite does to a ledger what the statements do that judge every case."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pendulum
import pytest
import sqlalchemy as sa

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger import Ledger, SendState, first_attempts, sqlite_fast_path
from esms_connectors.ledger.first_attempts import times_of
from esms_connectors.ledger.row_rules import OverBudgetError, RowRules
from esms_connectors.ledger.rows import LedgerRow, Settlement

NOON = pendulum.datetime(2026, 11, 20, 5)
RUN = "run"
STATES = [
    {"state": state.value, "in_doubt": in_doubt, "code": known, "message_id": message_id, "reason": reason}
    for state, in_doubt, known, (message_id, reason) in itertools.product(
        SendState, (0, 1, 2), (None, "100", "203"), ((None, None), ("m-1", "resend: asked"))
    )
]
OUTCOMES = [
    Settlement("", SendState.ACCEPTED, "100", "m-2"),
    Settlement("", SendState.ACCEPTED, None, None),
    Settlement("", SendState.ACCEPTED, "100", "m" * 65, reason="nửa\0 chừng" * 60),
    Settlement("", SendState.ACCEPTED, "124", "m-2", duplicate=True),
    Settlement("", SendState.ACCEPTED, "124", "m-2"),
    Settlement("", SendState.ACCEPTED, "199", None),
    Settlement("", SendState.ACCEPTED, "100", "m-2", id_refused=True),
    Settlement("", SendState.ACCEPTED, "100", "m-2", refused_whole=True),
    Settlement("", SendState.REJECTED, "203", None, reason="no Zalo", id_refused=True),
    Settlement("", SendState.UNKNOWN, None, None, reason="lost", refused_whole=True),
    Settlement("", SendState.NOT_SENT),
]


class Both:
    """Two ledgers, of which one has no fast path; what is done to one is done to the other."""

    def __init__(self, short: Ledger, long: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.short, self.long, self._monkeypatch = short, long, monkeypatch

    def change(self, statement: str, parameters: Any = None) -> None:
        for ledger in (self.short, self.long):
            with ledger._writing() as connection:
                connection.execute(sa.text(statement), parameters)

    def do(self, method: str, *arguments: Any, **named: Any) -> Any:
        """What both answer, or raise."""
        answers = [self._one(self.short, method, *arguments, **named)]
        with self._monkeypatch.context() as patch:
            patch.setattr(sqlite_fast_path, "claim_new", lambda *_: False)
            patch.setattr(sqlite_fast_path, "settle_accepted", lambda _c, settlements, _n: ([], settlements))
            answers.append(self._one(self.long, method, *arguments, **named))
        assert answers[0] == answers[1]
        found, expected = (self._content(ledger) for ledger in (self.short, self.long))
        assert found == expected
        return answers[0]

    def _one(self, ledger: Ledger, method: str, *arguments: Any, **named: Any) -> Any:
        try:
            return getattr(ledger, method)(*arguments, **named)
        except (InvalidRequestError, OverBudgetError) as error:
            return type(error), str(error)

    def _content(self, ledger: Ledger) -> list[Any]:
        with ledger._reading() as connection:
            return [
                tuple(row)
                for table in ("esms_sends", "esms_spent")
                for row in connection.execute(sa.text(f"SELECT * FROM {table} ORDER BY 1, 2"))
            ]


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    Ledger.open(tmp_path / "short.sqlite").close()
    monkeypatch.setattr(first_attempts, "boot_clock", lambda: ("this start", 5))
    shutil.copy(tmp_path / "short.sqlite", tmp_path / "long.sqlite")
    with ExitStack() as stack:
        short, long = (
            stack.enter_context(Ledger.open(tmp_path / f"{name}.sqlite", now=lambda: NOON))
            for name in ("short", "long")
        )
        yield Both(short, long, monkeypatch)


def rows_of(numbers: Sequence[int]) -> list[LedgerRow]:
    return [LedgerRow(f"k{number}", f"09{number:08d}", "text", number) for number in numbers]


@pytest.mark.parametrize("answered", [True, False])
def test_fast_path_claims_match_the_general_path(both: Both, answered: bool) -> None:
    """New rows, rows that are there, both in one call, another content, with rules and without."""
    times = replace(times_of(NOON), answered=answered)
    claim = {"worker": "w", "times": times}
    rules = RowRules(NOON, NOON, message_class="care", cap=2, costs=[100] * 10, most_run=1500)
    assert len(both.do("claim", RUN, rows_of(range(10)), chunk="1", **claim).claims) == 10
    assert len(both.do("claim", RUN, rows_of(range(10, 20)), chunk="2", rules=rules, **claim).claims) == 10
    assert len(both.do("claim", RUN, rows_of([*range(23, 19, -1), 5, 7]), chunk="3", **claim).claims) == 4
    assert both.do("claim", RUN, rows_of(range(20, 30)), chunk="4", rules=rules, **claim)[0] is OverBudgetError
    other = [*rows_of([30]), replace(rows_of([5])[0], payload="another")]
    assert both.do("claim", RUN, other, chunk="5", **claim)[0] is InvalidRequestError
    assert both.do("claim", RUN, [], chunk="6", **claim).claims == ()


@pytest.mark.parametrize("outcome", OUTCOMES, ids=str)
def test_fast_path_settlements_match_the_general_path(both: Both, outcome: Settlement) -> None:
    """Every outcome of a row in every state: those that were accepted apart, all together, beside other outcomes."""
    rows = rows_of(range(len(STATES)))
    both.do("claim", RUN, rows, worker="w", chunk="1")
    ids = both.short.request_ids(RUN, [row.row_key for row in rows])
    columns = ", ".join(f"{name} = :{name}" for name in STATES[0])
    for anew in range(3):
        given = [{**state, "request_id": one} for state, one in zip(STATES, ids, strict=True)]
        both.change(f"UPDATE esms_sends SET claimed_by = 'w', {columns} WHERE request_id = :request_id", given)
        settlements = [outcome._replace(request_id=one) for one in ids]
        if anew == 0:
            accepted = [row["state"] == "accepted" for row in given]
            both.do("settle", [*itertools.compress(settlements, (not one for one in accepted))], worker="w")
            both.do("settle", [*itertools.compress(settlements, accepted)], worker="w")
        else:
            if anew == 1:
                settlements[::3] = [OUTCOMES[0]._replace(request_id=one.request_id) for one in settlements[::3]]
            both.do("settle", settlements, worker="w" if anew == 1 else "another")


def test_new_and_accepted_rows_use_the_fast_path(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """New rows and accepted ones need no statement that gives rows back."""
    asked: list[str] = []
    sa.event.listen(both.short._engine, "before_cursor_execute", lambda _c, _u, statement, *_: asked.append(statement))
    claims = both.short.claim(RUN, rows_of(range(5)), worker="w", chunk="1").claims
    settlements = [Settlement(claim.request_id, SendState.ACCEPTED, "100", "m") for claim in claims]
    assert both.short.settle(settlements, worker="w") == dict.fromkeys(
        (claim.request_id for claim in claims), SendState.ACCEPTED
    )
    assert not [statement for statement in asked if "RETURNING" in statement or "json" in statement]
