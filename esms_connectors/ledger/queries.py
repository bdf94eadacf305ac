"""Read-only queries about the rows of a ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pendulum
from pendulum import DateTime

from esms_connectors.ledger.first_attempts import milliseconds
from esms_connectors.ledger.rows import LedgerRow, RunSummary, SendState, difference, rule_of
from esms_connectors.ledger.runs import LedgerRuns


class LedgerQueries(LedgerRuns):
    """Queries about rows."""

    def compare(self, run_key: str, rows: Sequence[LedgerRow]) -> list[tuple[SendState | None, str]]:
        """
        For each row its state, None for a new one, and how it differs from what was claimed under its key before
        ("other content", "another phone"), or "". Claims nothing.
        """
        records = self._keys.records(run_key, rows)
        with self._reading() as connection:
            found = {row.request_id: row for row in connection.execute(self._sql.look, {"rows": json.dumps(records)})}
        known = [found.get(record["request_id"]) for record in records]
        return [
            (None, "") if row is None else (SendState(row.state), difference(record, row))
            for record, row in zip(records, known, strict=True)
        ]

    def unsettled(self, run_key: str, row_keys: Sequence[str]) -> list[int]:
        """Positions of the rows that are neither accepted nor rejected, new ones included."""
        ids = self._keys.request_ids(run_key, row_keys)
        rows = json.dumps([{"request_id": one} for one in ids])
        with self._reading() as connection:
            left = {row.request_id for row in connection.execute(self._sql.unsettled, {"rows": rows})}
        return [position for position, one in enumerate(ids) if one in left]

    def request_ids(self, run_key: str, row_keys: Sequence[str], *, stored: bool = False) -> list[str]:
        """The request ids of rows in a run; `stored`: the row keys are in their stored form."""
        if stored:
            return self._keys.request_ids_of_stored(run_key, row_keys)
        return self._keys.request_ids(run_key, row_keys)

    def rows_of(self, run_key: str, row_keys: Sequence[str]) -> list[dict[str, Any]]:
        """`state`, `code`, `message_id`, `duplicate` and `reason` of those of these rows that exist."""
        ids = self._keys.request_ids(run_key, row_keys)
        with self._reading() as connection:
            found = connection.execute(self._sql.rows_of, {"texts": json.dumps(ids)})
            return [dict(row) for row in found.mappings()]

    def has_doubt(self, run_key: str) -> bool:
        """Whether any row of a run is in doubt and not claimed by a live worker; cheap even for a large run."""
        with self._reading() as connection:
            found = connection.execute(self._sql.has_doubt, {"run_key": run_key, "now": self._now_ms()}).first()
        return found is not None

    def has_live_claims(self, run_key: str, until: DateTime) -> bool:
        """Whether any claim made until then is unsettled and has a live lease; cheap even for a large run."""
        parameters = {"run_key": run_key, "until": milliseconds(until), "now": self._now_ms()}
        with self._reading() as connection:
            return connection.execute(self._sql.live_claims, parameters).first() is not None

    def are_claimed(self, request_ids: Sequence[str], *, worker: str) -> bool:
        """Whether all of these rows are still claimed by this worker."""
        parameters = {"texts": json.dumps(list(request_ids)), "worker": worker}
        with self._reading() as connection:
            ours = connection.execute(self._sql.are_claimed, parameters).scalar_one()
        return bool(ours == len(request_ids))

    def summary(self, run_key: str) -> RunSummary:
        """Rows of a run by state and code."""
        counts: dict[str, int] = {}
        rejected: dict[str, int] = {}
        refused: dict[str, int] = {}
        skipped: dict[str, int] = {}
        duplicates = alive = 0
        with self._reading() as connection:
            parameters = {"run_key": run_key, "now": self._now_ms()}
            for state, code, duplicate, count, leased in connection.execute(self._sql.summary, parameters):
                if state == SendState.REJECTED and (rule := rule_of(code)) is not None:
                    skipped[rule] = skipped.get(rule, 0) + count
                    continue
                counts[state] = counts.get(state, 0) + count
                alive += int(leased)
                duplicates += count if duplicate else 0
                if state == SendState.REJECTED:
                    rejected[code or ""] = rejected.get(code or "", 0) + count
                elif state == SendState.NOT_SENT and code:
                    refused[code] = refused.get(code, 0) + count
        return RunSummary(
            run_key=run_key,
            accepted=counts.get("accepted", 0),
            duplicates=duplicates,
            rejected=counts.get("rejected", 0),
            unknown=counts.get("unknown", 0),
            held=counts.get("held", 0),
            not_sent=counts.get("not_sent", 0),
            claimed=counts.get("claimed", 0),
            rejected_by_code=rejected,
            refused_by_code=refused,
            claimed_alive=alive,
            skipped_by_rule=skipped,
        )

    def span(self, run_key: str) -> tuple[DateTime, DateTime] | None:
        """When the first and the last message of a run was sent, including those in doubt; None if there are none."""
        with self._reading() as connection:
            first, last = connection.execute(self._sql.span, {"run_key": run_key}).one()
        if first is None:
            return None
        return pendulum.from_timestamp(first / 1000), pendulum.from_timestamp(last / 1000)

    def has_begun_to_send(self, run_key: str) -> bool:
        """Whether any row of a run is settled or in doubt."""
        with self._reading() as connection:
            return connection.execute(self._sql.begun, {"run_key": run_key}).first() is not None

    def rows(self, run_key: str, *states: SendState) -> Iterator[dict[str, Any]]:
        """The rows of a run, streamed, optionally of some states only; phones in their stored form."""
        with self._reading(yield_per=1000) as connection:
            wanted = [state.value for state in states] or [state.value for state in SendState]
            result = connection.execute(self._sql.rows, {"run_key": run_key, "texts": json.dumps(wanted)})
            for row in result.mappings():
                yield dict(row)

    def unresolved(self, run_key: str) -> Iterator[dict[str, Any]]:
        """
        Rows in doubt that no live worker has claimed, rows that an earlier look-up did not find, and accepted rows
        without a message id; streamed.
        """
        with self._reading(yield_per=1000) as connection:
            result = connection.execute(self._sql.unresolved, {"run_key": run_key, "now": self._now_ms()})
            for row in result.mappings():
                yield dict(row)

    def identified(self, run_key: str, phones: Sequence[str]) -> list[dict[str, Any]]:
        """phone, state, message_id, first_attempt_ms of rows with an id, for some phones in their stored form."""
        with self._reading() as connection:
            found = connection.execute(self._sql.identified, {"run_key": run_key, "texts": json.dumps(list(phones))})
            return [dict(row) for row in found.mappings()]

    def count_sends(
        self, start: datetime, end: datetime
    ) -> Iterator[tuple[dict[str, str], str | None, str | None, int]]:
        """
        Row counts of the runs that began in [start, end): (about the run, state, code, rows).

        A run without rows has the state None.
        """
        span = {"start": round(start.timestamp() * 1000), "end": round(end.timestamp() * 1000)}
        with self._reading(yield_per=1000) as connection:
            for about, state, code, count in connection.execute(self._sql.count_sends, span):
                yield dict(json.loads(about)), state, code, count
