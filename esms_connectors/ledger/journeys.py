"""
Journeys: which runs are the steps of one journey, and why a person was moved on to the next step.

A journey is identified by the run key of its first step. Its tables only link and explain: the rows of each step's run
prevent a person from getting a step twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from esms_connectors.gateway.errors import InvalidRequestError

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData

# The run key of the journey that has the step `:run_key`; empty for a run without a journey.
JOURNEY_OF = "SELECT run_key FROM esms_journeys WHERE step_run_key = CAST(:run_key AS text)"

_REMEMBERED_AT_ONCE = 1000
_HAND_ON_SQLITE = """
INSERT INTO esms_handed_on (request_id, reason, step_run_key, at_ms)
SELECT value ->> 'request_id', value ->> 'reason', :step_run_key, :at FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING"""
_HAND_ON_POSTGRES = """
INSERT INTO esms_handed_on (request_id, reason, step_run_key, at_ms)
SELECT request_id, reason, CAST(:step_run_key AS text), CAST(:at AS bigint)
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given(request_id text, reason text)
ON CONFLICT DO NOTHING"""


def add_journey_tables(metadata: MetaData) -> None:
    """Add the tables; created with the others of a ledger, or when this version first opens an older one."""
    import sqlalchemy as sa

    sa.Table(
        "esms_journeys",
        metadata,
        sa.Column("run_key", sa.String(200), primary_key=True, comment="of the first step"),
        sa.Column("step", sa.Integer, primary_key=True, comment="1 for the first"),
        sa.Column("step_run_key", sa.String(200), nullable=False, unique=True),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("after_ms", sa.BigInteger, nullable=False, comment="how long the step before has; 0 for the first"),
    )
    sa.Table(
        "esms_handed_on",
        metadata,
        sa.Column("request_id", sa.String(50), primary_key=True, comment="of the row in the next step"),
        sa.Column("step_run_key", sa.String(200), nullable=False, index=True),
        sa.Column("reason", sa.String(100), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )


@dataclass(frozen=True, slots=True)
class StepLink:
    """
    One step of a journey.

    Attributes:
        step: 1 for the first.
        run_key: of the step.
        after_seconds: time allowed for the delivery of the previous step; 0 for the first.
    """

    step: int
    run_key: str
    channel: str
    after_seconds: float


def step_run_key(run_key: str, step: int) -> str:
    """The run key of a step of the journey `run_key`."""
    return run_key if step == 1 else f"{run_key}#{step}"


class Journeys:
    """The journeys of one ledger. Raises (every method): LedgerError."""

    def __init__(
        self,
        reading: Callable[..., AbstractContextManager[Connection]],
        writing: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        self._reading, self._writing = reading, writing

    def steps_of(self, run_key: str) -> tuple[StepLink, ...]:
        """The steps of the journey that starts with `run_key`, in order; empty for a run without a journey."""
        import sqlalchemy as sa

        with self._reading() as connection:
            found = connection.execute(
                sa.text(
                    "SELECT step, step_run_key, channel, after_ms FROM esms_journeys "
                    "WHERE run_key = :run_key ORDER BY step"
                ),
                {"run_key": run_key},
            ).fetchall()
        return tuple(StepLink(step, key, channel, after_ms / 1000) for step, key, channel, after_ms in found)

    def later_steps(self) -> dict[str, tuple[str, int]]:
        """Runs that are a later step of a journey -> the journey's run key and the number of the step."""
        import sqlalchemy as sa

        with self._reading() as connection:
            found = connection.execute(
                sa.text("SELECT step_run_key, run_key, step FROM esms_journeys WHERE step > 1")
            ).fetchall()
        return {step_key: (run_key, step) for step_key, run_key, step in found}

    def begun(self, start: datetime, end: datetime, most: int) -> list[str]:
        """Run keys of the latest journeys that began in [start, end), the earliest first."""
        import sqlalchemy as sa

        values = {"start": round(start.timestamp() * 1000), "end": round(end.timestamp() * 1000), "most": most}
        with self._reading() as connection:
            found = connection.execute(
                sa.text(
                    "SELECT run.run_key FROM esms_runs AS run JOIN esms_journeys AS journey "
                    "ON journey.run_key = run.run_key AND journey.step = 1 "
                    "WHERE began_ms >= :start AND began_ms < :end ORDER BY began_ms DESC, run.run_key LIMIT :most"
                ),
                values,
            ).scalars()
            return list(found)[::-1]

    def register(self, run_key: str, steps: Sequence[StepLink]) -> None:
        """
        Store the steps of a journey. Later calls may change the time allowed for a step and add steps.

        Raises:
            InvalidRequestError: a step had another channel before, or its run key belongs to another journey.
        """
        import sqlalchemy as sa

        self._check_free(run_key, steps)
        for known, step in zip(self.steps_of(run_key), steps, strict=False):
            if known.channel != step.channel:
                raise InvalidRequestError(
                    f"Step {step.step} of run {run_key!r} was {known.channel} before and is {step.channel} now. Use a "
                    "new run key for another chain; nothing was sent by this call.",
                    field="run_key",
                )
        statement = sa.text(
            "INSERT INTO esms_journeys (run_key, step, step_run_key, channel, after_ms) "
            "VALUES (:run_key, :step, :step_run_key, :channel, :after_ms) "
            "ON CONFLICT (run_key, step) DO UPDATE SET after_ms = excluded.after_ms"
        )
        with self._writing() as connection:
            for step in steps:
                values = {
                    "run_key": run_key,
                    "step": step.step,
                    "step_run_key": step.run_key,
                    "channel": step.channel,
                    "after_ms": round(step.after_seconds * 1000),
                }
                connection.execute(statement, values)

    def _check_free(self, run_key: str, steps: Sequence[StepLink]) -> None:
        import sqlalchemy as sa

        statement = sa.text("SELECT run_key FROM esms_journeys WHERE step_run_key = :step AND run_key <> :run_key")
        with self._reading() as connection:
            for step in steps:
                other = connection.execute(statement, {"step": step.run_key, "run_key": run_key}).scalar()
                if other is not None:
                    raise InvalidRequestError(
                        f"Run {step.run_key!r} is a step of run {other!r}, so it cannot be a step of run {run_key!r}. "
                        "Use another run key; nothing was sent by this call.",
                        field="run_key",
                    )

    def hand_on(self, step_run_key: str, reasons: Mapping[str, str], at_ms: int) -> None:
        """
        Record why people get a step, before it is sent to them.

        Args:
            reasons: by request id in that step. An existing reason is kept.
        """
        import sqlalchemy as sa

        statement = sa.text(_HAND_ON_SQLITE if self._is_sqlite() else _HAND_ON_POSTGRES)
        rows = [{"request_id": key, "reason": reason[:100]} for key, reason in sorted(reasons.items())]
        for first in range(0, len(rows), _REMEMBERED_AT_ONCE):
            part = json.dumps(rows[first : first + _REMEMBERED_AT_ONCE])
            with self._writing() as connection:
                connection.execute(statement, {"step_run_key": step_run_key, "rows": part, "at": at_ms})

    def reasons(self, step_run_key: str) -> dict[str, str]:
        """Why each person was moved on to a step, by request id in it."""
        import sqlalchemy as sa

        with self._reading() as connection:
            found = connection.execute(
                sa.text("SELECT request_id, reason FROM esms_handed_on WHERE step_run_key = :step_run_key"),
                {"step_run_key": step_run_key},
            )
            return {row.request_id: row.reason for row in found}

    def _is_sqlite(self) -> bool:
        with self._reading() as connection:
            return connection.dialect.name == "sqlite"
