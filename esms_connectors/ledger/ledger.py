"""
The ledger: what was sent, keyed by request id. Claim, send, settle - each a single statement for a whole chunk.

A row is claimed before its request leaves, so a crash at any point leaves at most the chunks in flight in doubt, and
the ledger says which. A row in doubt goes out again only under the same request id and only while the gateway surely
holds back a second request with it; after that it is *held*, and only `reconcile` or a person can settle it.

SQLite (one machine; a file in WAL mode) and PostgreSQL (workers on several machines) behave the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pendulum
from pendulum import DateTime

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.clock import Times
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.forks import tell_of_forks
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.ledger.database import guarded
from esms_connectors.ledger.dating import milliseconds, times_of, window_parameters
from esms_connectors.ledger.existing import check_is_ledger
from esms_connectors.ledger.facts import GatewayFacts
from esms_connectors.ledger.keys import LedgerKeys, check_run_key, wire_id
from esms_connectors.ledger.rows import (
    REFUSED_WHOLE,
    Claim,
    ClaimResult,
    LedgerRow,
    RunSummary,
    SendState,
    Settlement,
    check_same,
    difference,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Row

LEASE_SECONDS = 60.0


class Ledger:
    """
    Open with `Ledger.open`; close it, or use it as a context manager. Safe to share between threads.

    Args:
        engine: of SQLAlchemy 2, for SQLite or PostgreSQL.
        phone_secret: phones and row keys are stored as keyed hashes (HMAC) of it; None stores them plain.
        lease_seconds: a claim of a worker that gives no heartbeat for so long may be taken over.
        now: this machine's clock, which leases go by; workers on several machines should agree on the time (NTP).

    Raises:
        ConfigurationError: another database, a schema of a newer version, or a database that cannot be reached.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        phone_secret: str | None = None,
        lease_seconds: float = LEASE_SECONDS,
        now: Callable[[], DateTime] | None = None,
    ) -> None:
        ledger_schema, engines = _schema()
        self._engine = engines.for_ledger(engine)
        self._keys = LedgerKeys(phone_secret)
        self.lease_seconds = lease_seconds
        self._now = now or machine_clock.now
        self._sql = ledger_schema.statements_for(self._engine)
        ledger_schema.create_or_check(self._engine)
        tell_of_forks(self)

    @classmethod
    def open(cls, url: str | Path | None = None, *, create: bool = True, **settings: Any) -> Ledger:
        """
        Open, and create on first use.

        Args:
            url: `sqlite:///path`, a path, `postgresql://…`, or None for a file in the user's data folder.
            create: False for those who only read, such as a report: no ledger is made where there is none.
            settings: arguments of the constructor.

        Raises:
            ConfigurationError: it cannot be used, or with `create=False` is not there.
        """
        _, engines = _schema()
        if not create:
            check_is_ledger(url)
        return cls(engines.engine_for(url), **settings)

    @classmethod
    def from_env(cls, url: str | Path | None = None, *, create: bool = True, **settings: Any) -> Ledger:
        """
        As `open`, with `ESMS_LEDGER` for a URL that is not given, and `ESMS_LEDGER_SECRET`, from the environment only:
        with it, phones and row keys are stored as keyed hashes.
        """
        settings.setdefault("phone_secret", os.environ.get("ESMS_LEDGER_SECRET") or None)
        return cls.open(url or os.environ.get("ESMS_LEDGER") or None, create=create, **settings)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        # Not the URL: a password may also stand among its options.
        return f"Ledger({self.name})"

    def after_fork(self) -> None:
        """In a forked process: new connections, because the present ones are the other process's."""
        _, engines = _schema()
        engines.forget_connections(self._engine)

    @property
    def facts(self) -> GatewayFacts:
        """What was learned of gateways."""
        return GatewayFacts(self._sql, self._reading, self._writing)

    @property
    def name(self) -> str:
        """For people: where it is, without a password."""
        url = self._engine.url
        return str(url.database) if url.host is None else f"{url.get_backend_name()}://{url.host}/{url.database}"

    def _writing(self) -> AbstractContextManager[Connection]:
        return guarded(self._engine.begin)

    def _reading(self, **options: Any) -> AbstractContextManager[Connection]:
        return guarded(lambda: self._engine.connect().execution_options(esms_reading=True, **options))

    # --- runs --------------------------------------------------------------------------------------------------------

    def begin_run(self, run_key: str, kind: str, about: Mapping[str, str]) -> dict[str, str]:
        """
        Register a run, or find it registered.

        Args:
            kind: what it sends; about: what is the same for all of its rows (template, OA, text, campaign). `send_at`
                may change from call to call: the latest is kept.

        Returns:
            `about` as it was first registered.

        Raises:
            InvalidRequestError: the run exists with something else in `about`: a run key names one campaign.
        """
        # Once for each part of a run that an orchestrator spreads: most find it, and need not wait for a writer's turn.
        known = self.check_run(run_key, kind, about)
        if known is None:
            facts = {**about, "kind": kind, "phones": self._keys.mark}
            parameters = {"run_key": check_run_key(run_key), "about": json.dumps(facts), "now": self._now_ms()}
            with self._writing() as connection:
                connection.execute(self._sql.begin_run, parameters)
            known = self.check_run(run_key, kind, about)
        if known is not None:
            self._note_later_send_at(run_key, about.get("send_at", ""))
        return known or facts

    def check_run(self, run_key: str, kind: str, about: Mapping[str, str]) -> dict[str, str] | None:
        """As `begin_run`, for those who only look: None where the run is not there."""
        run_key = check_run_key(run_key)
        with self._reading() as connection:
            known = self._about(connection, run_key)
        if known is None:
            return None
        self.check_phone_secret(run_key, known)
        for name, value in {**about, "kind": kind}.items():
            if name not in ("campaign", "send_at") and known.get(name) != value:
                raise InvalidRequestError(
                    f"run key {run_key!r} was used before with another {name}. "
                    "Use a new run key for another campaign; nothing was sent.",
                    field="run_key",
                )
        return known

    def _note_later_send_at(self, run_key: str, send_at: str) -> None:
        """Rows of any call of the run may be scheduled for then. All of these texts are in UTC and of one form."""
        while send_at:
            with self._reading() as connection:
                text = str(connection.execute(self._sql.run_about, {"run_key": run_key}).scalar())
            about = json.loads(text)
            if send_at <= about.get("send_at", ""):
                return
            changed = {"run_key": run_key, "known": text, "about": json.dumps({**about, "send_at": send_at})}
            with self._writing() as connection:
                # Another call of the run may have noted its own meanwhile.
                if connection.execute(self._sql.change_about, changed).rowcount:
                    return

    def check_phone_secret(self, run_key: str, about: Mapping[str, str]) -> None:
        """
        Whether phones can be compared with those of a run: with another secret none would ever be found.

        Raises:
            InvalidRequestError: the run was begun with another secret, or with none.
        """
        if about.get("phones") != self._keys.mark:
            raise InvalidRequestError(
                f"run {run_key!r} was begun with another secret for its phones, or with none. "
                "Use the same; nothing was sent.",
                field="phone_secret",
            )

    def run_about(self, run_key: str) -> dict[str, str]:
        """What was registered for a run; InvalidRequestError when there is no such run."""
        with self._reading() as connection:
            known = self._about(connection, run_key)
        if known is None:
            raise InvalidRequestError(f"The ledger knows no run {run_key!r}.", field="run_key")
        return known

    def _about(self, connection: Connection, run_key: str) -> dict[str, str] | None:
        text = connection.execute(self._sql.run_about, {"run_key": run_key}).scalar()
        return None if text is None else dict(json.loads(text))

    # --- claim, settle -----------------------------------------------------------------------------------------------

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
    ) -> ClaimResult:
        """
        Take the rows that may be sent now.

        Args:
            worker: a name of this worker that no other one has.
            chunk: name of the chunk; with `frozen`, a row in doubt is only given out in the chunk it was in before.
            repeat: rows in doubt may be sent again under their request ids; else they are left in doubt.
            times: the gateway's, by which it is judged whether rows in doubt may be repeated; None goes by the clock
                of this ledger.

        Raises:
            InvalidRequestError: a row was claimed before with another payload or phone; none of `rows` is claimed then.
        """
        now = self._now_ms()
        records = self._keys.records(run_key, rows)
        index_of = {str(record["request_id"]): index for index, record in enumerate(records)}
        if len(index_of) < len(records):
            raise InvalidRequestError("Two rows of one chunk have the same key.", field="row_key")
        parameters = {
            "rows": json.dumps(records),
            "run_key": run_key,
            "worker": worker,
            "chunk": chunk,
            "any_chunk": 0 if frozen else 1,
            "repeat": int(repeat),
            "now": now,
            "lease_until": now + int(self.lease_seconds * 1000),
            **window_parameters(self._engine.dialect.name, times or times_of(self._now())),
        }
        with self._writing() as connection:
            claimed = connection.execute(self._sql.claim, parameters).fetchall()
            others = [] if len(claimed) == len(records) else self._look_at_others(connection, parameters, claimed)
            for other in others:
                # Raised inside the transaction: what was just claimed is given back.
                index = index_of[other.request_id]
                check_same(run_key, rows[index], records[index], other)
        claims = [
            Claim(index_of[request_id], request_id, wire_id(request_id, generation), bool(in_doubt))
            for request_id, generation, in_doubt in claimed
        ]
        return ClaimResult.of(
            claims,
            [(index_of[other.request_id], other.state, other.in_doubt == REFUSED_WHOLE) for other in others],
            repeat=repeat,
        )

    def compare(self, run_key: str, rows: Sequence[LedgerRow]) -> list[tuple[SendState | None, str]]:
        """
        What the ledger has of each row: its state, None for a new one, and how it differs from what was claimed under
        its key before ("other content", "another phone"), or "". Claims nothing.
        """
        records = self._keys.records(run_key, rows)
        with self._reading() as connection:
            found = {row.request_id: row for row in connection.execute(self._sql.look, {"rows": json.dumps(records)})}
        known = [found.get(record["request_id"]) for record in records]
        return [
            (None, "") if row is None else (SendState(row.state), difference(record, row))
            for record, row in zip(records, known, strict=True)
        ]

    def _look_at_others(
        self, connection: Connection, parameters: Mapping[str, Any], claimed: Sequence[Row[Any]]
    ) -> list[Row[Any]]:
        """The rows that were not given out. Those in doubt for too long become held on the way."""
        connection.execute(self._sql.hold, parameters)
        ours = {row.request_id for row in claimed}
        return [row for row in connection.execute(self._sql.look, parameters) if row.request_id not in ours]

    def unsettled(self, run_key: str, row_keys: Sequence[str]) -> list[int]:
        """Positions of the rows that are neither accepted nor rejected, new ones included."""
        ids = self._keys.request_ids(run_key, row_keys)
        rows = json.dumps([{"request_id": one} for one in ids])
        with self._reading() as connection:
            left = {row.request_id for row in connection.execute(self._sql.unsettled, {"rows": rows})}
        return [position for position, one in enumerate(ids) if one in left]

    def rows_of(self, run_key: str, row_keys: Sequence[str]) -> list[dict[str, Any]]:
        """`state`, `message_id` and `duplicate` of these rows, as far as they are there."""
        ids = self._keys.request_ids(run_key, row_keys)
        with self._reading() as connection:
            found = connection.execute(self._sql.rows_of, {"rows": json.dumps([{"request_id": one} for one in ids])})
            return [dict(row) for row in found.mappings()]

    def are_claimed(self, request_ids: Sequence[str], *, worker: str) -> bool:
        """Whether all of these rows are this worker's, and nobody has taken one over."""
        rows = json.dumps([{"request_id": one} for one in request_ids])
        with self._reading() as connection:
            ours = connection.execute(self._sql.are_claimed, {"rows": rows, "worker": worker}).scalar_one()
        return bool(ours == len(request_ids))

    def has_doubt(self, run_key: str) -> bool:
        """Whether any row of a run is in doubt with nobody at it; cheap however large the run is."""
        with self._reading() as connection:
            found = connection.execute(self._sql.has_doubt, {"run_key": run_key, "now": self._now_ms()}).first()
        return found is not None

    def date(self, claims: Sequence[Claim], first_attempt: DateTime, *, worker: str) -> None:
        """Give rows that were claimed before the gateway's time was known the time of their first attempt."""
        rows = json.dumps([{"request_id": claim.request_id} for claim in claims if not claim.in_doubt])
        with self._writing() as connection:
            connection.execute(
                self._sql.date, {"rows": rows, "worker": worker, "first_attempt": milliseconds(first_attempt)}
            )

    def now(self) -> DateTime:
        return self._now()

    def renew(self, run_key: str, worker: str) -> None:
        """A heartbeat: the claims of `worker` stay its own."""
        lease_until = self._now_ms() + int(self.lease_seconds * 1000)
        with self._writing() as connection:
            connection.execute(self._sql.renew, {"run_key": run_key, "worker": worker, "lease_until": lease_until})

    def has_live_claims(self, run_key: str, until: DateTime) -> bool:
        """Whether claims made until then are neither settled nor over; cheap however large the run is."""
        parameters = {"run_key": run_key, "until": milliseconds(until), "now": self._now_ms()}
        with self._reading() as connection:
            return connection.execute(self._sql.live_claims, parameters).first() is not None

    def settle(self, settlements: Iterable[Settlement], *, worker: str) -> dict[str, SendState]:
        """
        Write down what came of claimed rows, and return what they are now, by request id.

        A row that was taken over by another worker meanwhile is only settled by proof of acceptance. A row in doubt
        that could not be sent, or was refused for the account's sake, stays unknown: that says nothing about its
        earlier attempt.
        """
        records = _records(settlements)
        if not records:
            return {}
        with self._writing() as connection:
            settled = connection.execute(self._sql.settle, {"rows": records, "worker": worker, "now": self._now_ms()})
            return {request_id: SendState(state) for request_id, state in settled}

    def give_back(self, claims: Iterable[Claim], *, worker: str) -> None:
        """Claims that were not sent; those in doubt from before stay in doubt."""
        self.settle([Settlement(claim.request_id, SendState.NOT_SENT) for claim in claims], worker=worker)

    def settle_found(self, settlements: Iterable[Settlement], *, looked_at: DateTime | None = None) -> int:
        """
        Settle rows that nobody claims any more, by what was found at the gateway. Returns the number of rows changed.

        Args:
            looked_at: when the looking began; "not sent" is not concluded about rows that were touched since.
        """
        records = _records(settlements)
        if not records:
            return 0
        with self._writing() as connection:
            now = self._now_ms()
            untouched_since = now + 1 if looked_at is None else milliseconds(looked_at)
            return connection.execute(
                self._sql.settle_found, {"rows": records, "now": now, "untouched_since": untouched_since}
            ).rowcount

    def release(self, run_key: str, request_ids: Sequence[str], reason: str) -> int:
        """
        Let rows be sent again, whatever became of them: a person decided so, and the ledger keeps why.

        The next call of the run sends them, under a request id that was never used. Rows that a living worker is at are
        left alone. Returns the number of rows released.
        """
        if not reason.strip():
            raise InvalidRequestError("Say why: a second message to the same person needs a reason.", field="reason")
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

    # --- forgetting --------------------------------------------------------------------------------------------------

    def erase(self, phone: str) -> dict[str, int]:
        """
        Take a person out of the settled rows. The rows themselves stay, without the phone: they are what keeps the same
        run from sending again. Rows in doubt are left as they are, because only the phone can settle them.

        Args:
            phone: in any spelling.

        Returns:
            `erased` and `unsettled`: rows whose phone was removed, rows that must be reconciled first.

        Raises:
            InvalidRequestError: no Vietnamese mobile number, or a run was kept under another phone secret.
        """
        number = normalise_phone(phone)
        for run_key, _ in self.runs():
            self.check_phone_secret(run_key, self.run_about(run_key))
        stored = {"phone": self.hash_phone(number)}
        with self._writing() as connection:
            erased = connection.execute(self._sql.erase, stored).rowcount
            unsettled = connection.execute(self._sql.not_erased, stored).scalar_one()
        return {"erased": erased, "unsettled": unsettled}

    # --- looking -----------------------------------------------------------------------------------------------------

    def summary(self, run_key: str) -> RunSummary:
        """Rows of a run by state and code."""
        counts: dict[str, int] = {}
        rejected: dict[str, int] = {}
        refused: dict[str, int] = {}
        duplicates = alive = 0
        with self._reading() as connection:
            parameters = {"run_key": run_key, "now": self._now_ms()}
            for state, code, duplicate, count, leased in connection.execute(self._sql.summary, parameters):
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
        )

    def span(self, run_key: str) -> tuple[DateTime, DateTime] | None:
        """When the messages of a run that went out, or may have, were sent first and last; None for none."""
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
        """The rows of a run, streamed, optionally of some states only; phones as they are stored."""
        with self._reading(yield_per=1000) as connection:
            wanted = [state.value for state in states] or [state.value for state in SendState]
            result = connection.execute(self._sql.rows, {"run_key": run_key, "states": json.dumps(wanted)})
            for row in result.mappings():
                yield dict(row)

    def unresolved(self, run_key: str) -> Iterator[dict[str, Any]]:
        """Rows in doubt that nobody is at, and accepted rows without a message id; streamed."""
        with self._reading(yield_per=1000) as connection:
            result = connection.execute(self._sql.unresolved, {"run_key": run_key, "now": self._now_ms()})
            for row in result.mappings():
                yield dict(row)

    def message_ids(self, run_key: str, phones: Sequence[str]) -> set[str]:
        """The message ids known of a run for some phones, given as they are stored."""
        with self._reading() as connection:
            found = connection.execute(self._sql.message_ids, {"run_key": run_key, "states": json.dumps(list(phones))})
            return set(found.scalars())

    def runs(self) -> list[tuple[str, DateTime]]:
        """Run keys and when they began, newest first."""
        with self._reading() as connection:
            found = connection.execute(self._sql.runs).fetchall()
        return [(row.run_key, pendulum.from_timestamp(row.began_ms / 1000)) for row in found]

    def count_sends(
        self, start: datetime, end: datetime
    ) -> Iterator[tuple[dict[str, str], str | None, str | None, int]]:
        """
        Rows of the runs that began from `start` until before `end`: (about the run, state, code, rows).

        A run without rows comes with state None.
        """
        span = {"start": round(start.timestamp() * 1000), "end": round(end.timestamp() * 1000)}
        with self._reading(yield_per=1000) as connection:
            for about, state, code, count in connection.execute(self._sql.count_sends, span):
                yield dict(json.loads(about)), state, code, count

    def hash_phone(self, phone: str) -> str:
        """A phone as this ledger stores it."""
        return self._keys.stored(phone)

    def digest(self, text: str) -> str:
        """A hash of `text`, keyed where this ledger keeps phones as keyed hashes."""
        return self._keys.hash(text)

    def _now_ms(self) -> int:
        return milliseconds(self._now())


def _records(settlements: Iterable[Settlement]) -> str:
    """As the one JSON parameter of a statement; empty for none."""
    records = [one.record() for one in settlements]
    return json.dumps(records) if records else ""


def _schema() -> tuple[ModuleType, ModuleType]:
    """Tables and SQL, and engines; loaded on first use, because they bring SQLAlchemy along."""
    try:
        from esms_connectors.ledger import engines, schema
    except ImportError:
        raise ConfigurationError("The ledger needs the extra [ledger]: pip install 'esms-connectors[ledger]'") from None
    return schema, engines
