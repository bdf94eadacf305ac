"""Facts learned about gateways at run time: for each account and function, whether request ids are honoured."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pendulum

from esms_connectors.gateway.request_ids import IdFact

if TYPE_CHECKING:
    from pendulum import DateTime
    from sqlalchemy import Connection

    from esms_connectors.ledger.schema import Statements


class GatewayFacts:
    """
    The facts of one ledger. An account is identified by a hash, see `EsmsClient.account`.

    Raises (every method): LedgerError.
    """

    def __init__(
        self,
        sql: Statements,
        reading: Callable[..., AbstractContextManager[Connection]],
        writing: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        self._sql, self._reading, self._writing = sql, reading, writing

    def known(self, account: str, endpoint: str) -> IdFact | None:
        """The latest observation, or None."""
        with self._reading() as connection:
            found = connection.execute(self._sql.gateway_fact, {"account": account, "endpoint": endpoint}).one_or_none()
        if found is None:
            return None
        return IdFact(found.request_ids == "honoured", pendulum.from_timestamp(found.seen_ms / 1000))

    def learn(self, account: str, endpoint: str, fact: IdFact) -> None:
        """Store `fact`, unless a newer one is known."""
        self._write(
            self._sql.learn_fact,
            account=account,
            endpoint=endpoint,
            request_ids="honoured" if fact.honoured else "ignored",
            seen=int(fact.seen_at.timestamp() * 1000),
        )

    def begin_probe(self, run_key: str, account: str, endpoint: str, now: DateTime) -> bool:
        """Whether a row of this run may be sent a second time to find out; only ever true for one caller."""
        written = self._write(
            self._sql.begin_probe,
            run_key=run_key,
            account=account,
            endpoint=endpoint,
            now=int(now.timestamp() * 1000),
        )
        return written == 1

    def abandon_probe(self, run_key: str, account: str, endpoint: str) -> None:
        """Allow another probe, because this one was not sent."""
        self._write(self._sql.abandon_probe, run_key=run_key, account=account, endpoint=endpoint)

    def _write(self, statement: Any, **values: Any) -> int:
        with self._writing() as connection:
            return connection.execute(statement, values).rowcount
