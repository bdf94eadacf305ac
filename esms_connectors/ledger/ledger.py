"""
The ledger: a record of every row sent, keyed by request id. A chunk is claimed, sent and settled; claim and settlement
are one transaction each.

A row is claimed before its request is sent, so a crash at any point leaves at most the chunks in flight in doubt, and
the ledger says which. A row in doubt is only sent again with the same request id and only while the gateway certainly
rejects a second request with it; after that it is *held*, and only `reconcile` or a person can settle it.

SQLite (one machine; a file in WAL mode) and PostgreSQL (workers on several machines) behave the same.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pendulum import DateTime

from esms_connectors.gateway.arguments import person_name
from esms_connectors.gateway.clock import Times
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.ledger.database import LedgerMovedError
from esms_connectors.ledger.first_attempts import milliseconds, times_of, window_parameters
from esms_connectors.ledger.keys import wire_id
from esms_connectors.ledger.queries import LedgerQueries
from esms_connectors.ledger.row_rules import LeftOut
from esms_connectors.ledger.rows import (
    REFUSED_WHOLE,
    Claim,
    ClaimResult,
    LedgerRow,
    SendState,
    Settlement,
    check_same,
    rule_of,
)
from esms_connectors.ledger.run_memory import UnrememberedRunError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, TextClause

    from esms_connectors.ledger.row_rules import RowRules


class Ledger(LedgerQueries):
    """
    Open with `Ledger.open`; close it, or use it as a context manager. Safe to share between threads.

    Args:
        engine: a SQLAlchemy engine in 2.0 style, for SQLite or PostgreSQL.
        phone_secret: key of the HMAC under which phones and row keys are stored; None stores them plain.
        lease_seconds: a claim without a heartbeat for this long may be taken over by another worker.
        now: this machine's clock, used for leases; workers on several machines should synchronise theirs (NTP).
        run_memory: remembers elsewhere which runs have claimed rows, so that a ledger that has lost them is refused.

    Raises:
        ConfigurationError: another database, a schema of a newer version, or a database that cannot be reached.
    """

    def request_id(self, run_key: str, row_key: str) -> str:
        """The key of a row: run and row, never the content, so that a changed row is noticed and not sent again."""
        return self._keys.request_ids(run_key, [row_key])[0]

    def claim(
        self,
        run_key: str,
        rows: Sequence[LedgerRow],
        *,
        worker: str,
        chunk: str,
        frozen: bool = False,
        repeat: bool = True,
        times: Times | None = None,
        rules: RowRules | None = None,
    ) -> ClaimResult:
        """
        Claim the rows that may be sent now.

        Args:
            worker: unique name of this worker.
            chunk: name of the chunk; with `frozen`, a row in doubt can only be claimed in the chunk it was in before.
            repeat: rows in doubt may be sent again with their request ids; otherwise they are left in doubt.
            times: the gateway's times, which decide whether rows in doubt may be repeated; None uses this ledger's
                clock.
            rules: the guard's rules for single rows; a row that they hold back is settled as skipped, or left in doubt,
                in the same transaction.

        Raises:
            InvalidRequestError: a row was claimed before with another payload or phone; then no row is claimed.
            OverBudgetError: the rows would exceed a budget; then no row is claimed or settled.
            LedgerMovedError: the ledger has lost rows that were claimed here before; then no row is claimed.
            UnrememberedRunError: call `remember` first, if there is a run memory; no row is claimed or settled.
        """
        now = self._now_ms()
        records = self._keys.records(run_key, rows)
        index_of = {str(record["request_id"]): index for index, record in enumerate(records)}
        if len(index_of) < len(records):
            raise InvalidRequestError("Two rows of one chunk have the same key.", field="row_key")
        parameters = {
            "run_key": run_key,
            "worker": worker,
            "chunk": chunk,
            "any_chunk": 0 if frozen else 1,
            "repeat": int(repeat),
            "now": now,
            "lease_until": now + int(self.lease_seconds * 1000),
            "message_class": None if rules is None else rules.message_class,
            "arrives": None if rules is None or rules.message_class is None else milliseconds(rules.arrives),
            **window_parameters(self._engine.dialect.name, times or times_of(self._now())),
        }
        with self._writing() as connection:
            claimed = self._claim_rows(connection, records, parameters)
            self._check_last_claimed(connection)
            ours = {request_id for request_id, *_ in claimed}
            others = [] if len(ours) == len(records) else self._read_unclaimed(connection, records, parameters, ours)
            for other in others:
                # Raised inside the transaction, which rolls back the claims.
                index = index_of[other.request_id]
                check_same(run_key, rows[index], records[index], other)
            left_out = LeftOut()
            if rules is not None and claimed:
                charged = {request_id: vnd for request_id, _, _, vnd in claimed}
                left_out = self.guard.apply(rules, connection, run_key, records, charged)
            if claimed and self._run_memory is not None and run_key not in self._remembered:
                # Rolls back: recording it may take longer than a lease, and other workers need not wait for it.
                raise UnrememberedRunError
        if claimed:
            self._last_claimed = claimed[0][0]
        none_of = left_out.skipped | left_out.in_doubt
        claims = [
            Claim(index_of[request_id], request_id, wire_id(request_id, generation), bool(in_doubt))
            for request_id, generation, in_doubt, _ in claimed
            if request_id not in none_of
        ]
        return ClaimResult.of(
            claims,
            [(index_of[other.request_id], other.state, other.in_doubt == REFUSED_WHOLE) for other in others],
            repeat=repeat,
            skipped=sum(other.state == SendState.REJECTED and rule_of(other.code) is not None for other in others),
            left_out=len(left_out.skipped),
            left_in_doubt=len(left_out.in_doubt),
        )

    def _check_last_claimed(self, connection: Connection) -> None:
        last = self._last_claimed
        if last is not None and connection.execute(self._sql.has_row, {"request_id": last}).first() is None:
            raise LedgerMovedError(
                f"The ledger {self.name} has lost rows while it was in use: it was overwritten, or restored from a "
                "backup. What was sent since would be sent again, so nothing more is. Put the latest ledger back "
                "before you run anything again; if it is lost, `esms pull` shows what was sent."
            )

    def _claim_rows(
        self, connection: Connection, records: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]
    ) -> Sequence[Any]:
        """Request id, generation, doubt and former charge of the claimed rows."""
        from esms_connectors.ledger.sqlite_fast_path import claim_new

        if claim_new(connection, records, parameters):
            return [(record["request_id"], 0, 0, None) for record in records]
        return connection.execute(self._sql.claim, {**parameters, "rows": json.dumps(records)}).fetchall()

    def _read_unclaimed(
        self,
        connection: Connection,
        records: Sequence[Mapping[str, Any]],
        parameters: Mapping[str, Any],
        ours: Collection[str],
    ) -> list[Row[Any]]:
        """The rows that were not claimed. Those that have been in doubt for too long become held."""
        asked = {**parameters, "rows": json.dumps(records)}
        connection.execute(self._sql.hold, asked)
        return [row for row in connection.execute(self._sql.look, asked) if row.request_id not in ours]

    def date(self, claims: Sequence[Claim], first_attempt: DateTime, *, worker: str) -> None:
        """
        Set the time of the first attempt of rows that were claimed before the gateway's time was known.

        Args:
            claims: those of `worker`; rows that were in doubt before keep their time.
            first_attempt: a lower bound, by the gateway's clock.

        Raises:
            LedgerError: the database does not answer; also for every other method.
        """
        rows = json.dumps([{"request_id": claim.request_id} for claim in claims if not claim.in_doubt])
        with self._writing() as connection:
            connection.execute(
                self._sql.date, {"rows": rows, "worker": worker, "first_attempt": milliseconds(first_attempt)}
            )

    def renew(self, run_key: str, worker: str) -> None:
        """A heartbeat: extend the leases of the claims of `worker`."""
        lease_until = self._now_ms() + int(self.lease_seconds * 1000)
        with self._writing() as connection:
            connection.execute(self._sql.renew, {"run_key": run_key, "worker": worker, "lease_until": lease_until})

    def settle(self, settlements: Iterable[Settlement], *, worker: str) -> dict[str, SendState]:
        """
        Record the outcomes of claimed rows, and return their new states by request id. Permanently refused rows are no
        longer charged or counted for a cap; rows that were not sent are charged again when they are claimed again.

        A row that another worker has taken over is only settled by proof of acceptance. A row in doubt that could not
        be sent, or was refused because of the account, stays unknown, because that says nothing about its earlier
        attempt.

        Args:
            settlements: one for each row; empty changes nothing.
            worker: the one that claimed the rows.

        Returns:
            The new state by request id; it differs from that of the settlement for the rows named above.
        """
        from esms_connectors.ledger.sqlite_fast_path import settle_accepted

        given = list(settlements)
        if not given:
            return {}
        with self._writing() as connection:
            now = self._now_ms()
            accepted, left = settle_accepted(connection, given, now)
            states = dict.fromkeys(accepted, SendState.ACCEPTED)
            if left:
                parameters = {"rows": _records(left), "worker": worker, "now": now}
                states |= self._settle(connection, self._sql.settle, parameters)
            if len(states) < len(given):
                # Another worker has taken these rows over, or they are gone.
                self._check_last_claimed(connection)
            return states

    def _settle(
        self, connection: Connection, statement: TextClause, parameters: Mapping[str, Any]
    ) -> dict[str, SendState]:
        settled = connection.execute(statement, parameters)
        states = {request_id: SendState(state) for request_id, state in settled}
        costless = [one for one, state in states.items() if state in (SendState.REJECTED, SendState.NOT_SENT)]
        if costless:
            self.guard.refund(connection, costless)
        return states

    def give_back(self, claims: Iterable[Claim], *, worker: str) -> None:
        """Release claims that were not sent; rows that were in doubt before stay in doubt."""
        self.settle([Settlement(claim.request_id, SendState.NOT_SENT) for claim in claims], worker=worker)

    def settle_found(self, settlements: Iterable[Settlement], *, looked_at: DateTime | None = None) -> int:
        """
        Settle rows that no worker claims any more by what was found at the gateway. Returns the number of rows changed.
        Rows that were not sent are no longer charged.

        Args:
            looked_at: start of the lookup; "not sent" is not concluded about rows that were changed since.
        """
        records = _records(settlements)
        if not records:
            return 0
        with self._writing() as connection:
            now = self._now_ms()
            untouched_since = now + 1 if looked_at is None else milliseconds(looked_at)
            parameters = {"rows": records, "now": now, "untouched_since": untouched_since}
            return len(self._settle(connection, self._sql.settle_found, parameters))

    def release(self, run_key: str, request_ids: Sequence[str], reason: str) -> int:
        """
        Allow rows to be sent again, whatever their state: a person decided so, and the ledger records the reason.

        The next call of the run sends them with a new request id. Rows claimed by a live worker are not released.

        Args:
            reason: recorded with each row, 300 characters at most.

        Returns:
            The number of rows released.

        Raises:
            InvalidRequestError: there is no reason.
        """
        if not reason.strip():
            raise InvalidRequestError("Give a reason: a second message to the same person needs one.", field="reason")
        rows = json.dumps([{"request_id": one} for one in request_ids])
        parameters = {
            "rows": rows,
            "run_key": run_key,
            "reason": f"resend: {reason.strip()}"[:300],
            "now": self._now_ms(),
        }
        with self._writing() as connection:
            recorded = connection.execute(self._sql.record_resend, parameters).rowcount
            connection.execute(self._sql.release, parameters)
        return recorded

    def find(
        self, *, message_id: str | None = None, phone: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """
        Rows of any run by the gateway's message id or our request id, or by their phone; the newest first.

        Args:
            phone: in any spelling.

        Raises:
            InvalidRequestError: not a Vietnamese mobile number.
        """
        stored = None if phone is None else self.hash_phone(normalise_phone(phone))
        statement, asked = self._sql.found, {"message_id": message_id, "limit": limit}
        if stored is not None:
            statement, asked = self._sql.found_of_phone, {"phone": stored, "limit": limit}
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement, asked).mappings()]

    def forget_content(self, run_key: str, request_ids: Sequence[str]) -> None:
        """Allow rows that are not sent, such as released ones, to be sent with other content than before."""
        import sqlalchemy as sa

        statement = sa.text(
            "UPDATE esms_sends SET payload_hash = '' WHERE run_key = :run_key AND request_id = :request_id "
            "AND state = 'not_sent'"
        )
        with self._writing() as connection:
            for request_id in request_ids:
                connection.execute(statement, {"run_key": run_key, "request_id": request_id})

    def erase(
        self, phone: str | None = None, *, zalo_user_id: str | None = None, keep_suppressed: bool = False
    ) -> dict[str, int]:
        """
        Erase a person from the settled rows, the counts for caps and the suppression list. The rows are kept without
        the phone, because they prevent the same run from sending again. Rows in doubt are not changed, because they can
        only be settled by their phone. SQLite files keep no trace of the phone; PostgreSQL keeps old versions of rows
        until it vacuums.

        Args:
            phone: in any spelling; alternatively `zalo_user_id` for a recipient addressed by that.
            keep_suppressed: keep the entry of the suppression list, so that the person still gets no advertising.

        Returns:
            `erased` and `unsettled`: rows whose phone was removed, rows that must be reconciled first; `counted` and
            `suppressed`: messages that counted for a cap, and entries of the suppression list, that were removed.

        Raises:
            InvalidRequestError: not a Vietnamese mobile number, or a run was stored with another phone secret.
        """
        name = person_name(phone, zalo_user_id)
        self._check_secret_of_runs()
        return self.people.erase(name, keep_suppressed=keep_suppressed)

    def person(self, phone: str | None = None, *, zalo_user_id: str | None = None) -> dict[str, Any]:
        """
        All data of this ledger about a person, see `People.held`.

        Raises:
            InvalidRequestError: as in `erase`.
        """
        name = person_name(phone, zalo_user_id)
        self._check_secret_of_runs()
        return self.people.held(name)

    def _check_secret_of_runs(self) -> None:
        for run_key, _ in self.runs():
            self.check_phone_secret(run_key, self.run_about(run_key))


def _records(settlements: Iterable[Settlement]) -> str:
    """The settlements as the JSON parameter of a statement; empty for none."""
    records = [one.record() for one in settlements]
    return json.dumps(records) if records else ""
