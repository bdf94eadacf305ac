"""The runs of a ledger: what is the same for all rows of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger.keys import check_run_key
from esms_connectors.ledger.storage import LedgerStorage

if TYPE_CHECKING:
    from sqlalchemy import Connection


class LedgerRuns(LedgerStorage):
    """Registers runs and finds them."""

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
        # The kind first: another one has other facts too, and they would only confuse.
        for name, value in {"kind": kind, **about}.items():
            if name not in ("campaign", "send_at") and known.get(name) != value:
                raise InvalidRequestError(
                    f"run key {run_key!r} was used before with another {name} "
                    f"({known.get(name, 'none')}, now {value}; ledger {self.name}). "
                    "Use a new run key for another campaign; nothing was sent.",
                    field="run_key",
                )
        return known

    def run_about(self, run_key: str) -> dict[str, str]:
        """What was registered for a run; InvalidRequestError when there is no such run."""
        with self._reading() as connection:
            known = self._about(connection, run_key)
        if known is None:
            raise InvalidRequestError(f"The ledger knows no run {run_key!r}.", field="run_key")
        return known

    def runs(self) -> list[tuple[str, DateTime]]:
        """Run keys and when they began, newest first."""
        with self._reading() as connection:
            found = connection.execute(self._sql.runs).fetchall()
        return [(row.run_key, pendulum.from_timestamp(row.began_ms / 1000)) for row in found]

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

    def _about(self, connection: Connection, run_key: str) -> dict[str, str] | None:
        text = connection.execute(self._sql.run_about, {"run_key": run_key}).scalar()
        return None if text is None else dict(json.loads(text))
