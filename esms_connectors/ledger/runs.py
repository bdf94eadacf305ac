"""The runs of a ledger: the facts that all rows of a run share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.times import parse_iso
from esms_connectors.ledger.keys import check_run_key
from esms_connectors.ledger.run_memory import check_remembered, renamed_task_error
from esms_connectors.ledger.storage import LedgerStorage

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Facts that may differ between the calls of a run. The latest time of sending is kept, because rows of any call may be
# scheduled for then, and every account, because each only knows its own messages.
_MAY_DIFFER = ("campaign", "send_at", "accounts")
EMULATOR = "emulator"


def send_at_of(about: Mapping[str, str]) -> DateTime | None:
    """The latest time for which the messages of a run are scheduled."""
    return parse_iso(about["send_at"]) if about.get("send_at") else None


class RunKeyTakenError(InvalidRequestError):
    """The run key belongs to a run with another message; nothing was sent."""


class LedgerRuns(LedgerStorage):
    """Registers runs and finds them."""

    def begin_run(self, run_key: str, kind: str, about: Mapping[str, str]) -> dict[str, str]:
        """
        Register a run, or find it registered.

        Args:
            kind: the kind of message; about: the facts that all rows share (template, OA, text, campaign). `send_at`
                and `accounts` may differ between calls: the latest `send_at` and all accounts are kept.

        Returns:
            `about` as it was first registered, with later additions.

        Raises:
            RunKeyTakenError: the run exists with something else in `about`: a run key names one campaign.
            ForgottenRunError: the run was begun in another ledger, or by a sender of another name.
        """
        # Called for each part of a distributed run: most find the run registered and need no write lock.
        known = self.check_run(run_key, kind, about)
        if known is None:
            facts = {**about, "kind": kind, "phones": self._keys.mark}
            parameters = {"run_key": check_run_key(run_key), "about": json.dumps(facts), "now": self._now_ms()}
            with self._writing() as connection:
                connection.execute(self._sql.begin_run, parameters)
            known = self.check_run(run_key, kind, about)
        return facts if known is None else self._note_changes(run_key, about)

    def check_run(self, run_key: str, kind: str, about: Mapping[str, str]) -> dict[str, str] | None:
        """The read-only part of `begin_run`: None if the run does not exist."""
        run_key = check_run_key(run_key)
        with self._reading() as connection:
            known = self._about(connection, run_key)
        if known is None:
            check_remembered(self._run_memory, run_key, self.name, self._has_run)
            self._check_not_renamed(run_key, {"kind": kind, **about})
            return None
        self.check_phone_secret(run_key, known)
        # The kind first: another kind has other facts too, which would make a confusing error.
        for name, value in {"kind": kind, **about}.items():
            if name not in _MAY_DIFFER and known.get(name) != value:
                raise RunKeyTakenError(
                    f"run key {run_key!r} was used before with another {name} "
                    f"({known.get(name, 'none')}, now {value}; ledger {self.name}). "
                    "Use a new run key for another campaign; nothing was sent.",
                    field="run_key",
                )
        if EMULATOR in set(accounts_of(known)) ^ set(accounts_of(about)) and accounts_of(known) and accounts_of(about):
            was, now = (
                ("an emulator", "a real account") if EMULATOR in accounts_of(known) else ("an account", "an emulator")
            )
            raise InvalidRequestError(
                f"run key {run_key!r} was used before with {was}, now with {now} (ledger {self.name}). Its recipients "
                "would count as already sent to. Use a new run key, or another ledger; nothing was sent.",
                field="run_key",
            )
        return known

    def _check_not_renamed(self, run_key: str, about: Mapping[str, str]) -> None:
        if self._run_memory is None or not (prefix := self._run_memory.key_prefix(run_key)):
            return
        with self._reading() as connection:
            found = connection.execute(self._sql.runs_with_prefix, {"prefix": prefix, "length": len(prefix)}).fetchall()
        for other in found:
            if self._run_memory.is_removed(other.run_key) and _shared(json.loads(other.about)) == _shared(about):
                raise renamed_task_error(run_key, other.run_key)

    def remember(self, run_key: str) -> None:
        """Record in the run memory, if there is one, that rows of the run are claimed from now on."""
        if self._run_memory is not None:
            self._run_memory.record(run_key)
        self._remembered.add(run_key)

    def _has_run(self, run_key: str) -> bool:
        with self._reading() as connection:
            return self._about(connection, run_key) is not None

    def run_about(self, run_key: str) -> dict[str, str]:
        """What was registered for a run; InvalidRequestError when there is no such run."""
        with self._reading() as connection:
            known = self._about(connection, run_key)
        if known is None:
            raise InvalidRequestError(
                f"The ledger knows no run {run_key!r}; `esms ledger runs` lists those that it has.", field="run_key"
            )
        return known

    def runs(self) -> list[tuple[str, DateTime]]:
        """Run keys and when they began, newest first."""
        with self._reading() as connection:
            found = connection.execute(self._sql.runs).fetchall()
        return [(row.run_key, pendulum.from_timestamp(row.began_ms / 1000)) for row in found]

    def _note_changes(self, run_key: str, about: Mapping[str, str]) -> dict[str, str]:
        """The registered facts, updated with those of this call."""
        while True:
            with self._reading() as connection:
                text = str(connection.execute(self._sql.run_about, {"run_key": run_key}).scalar())
            known: dict[str, str] = json.loads(text)
            changed = {**known, **_changes(known, about)}
            if changed == known:
                return known
            parameters = {"run_key": run_key, "known": text, "about": json.dumps(changed)}
            with self._writing() as connection:
                # Fails, and is retried, if another call of the run has updated the facts meanwhile.
                if connection.execute(self._sql.change_about, parameters).rowcount:
                    return changed

    def _about(self, connection: Connection, run_key: str) -> dict[str, str] | None:
        text = connection.execute(self._sql.run_about, {"run_key": run_key}).scalar()
        return None if text is None else dict(json.loads(text))


def accounts_of(about: Mapping[str, str]) -> tuple[str, ...]:
    """The accounts that a run was sent with, as in `EsmsClient.account`; empty if an older version began the run."""
    return tuple(about.get("accounts", "").split())


def _shared(about: Mapping[str, str]) -> dict[str, str]:
    """The facts by which two runs send the same message."""
    return {name: value for name, value in about.items() if name not in (*_MAY_DIFFER, "phones")}


def _changes(known: Mapping[str, str], about: Mapping[str, str]) -> dict[str, str]:
    # All of these times are in UTC and in one format, so they compare as text.
    send_at = max(known.get("send_at", ""), about.get("send_at", ""))
    accounts = " ".join(dict.fromkeys((*accounts_of(known), *accounts_of(about))))
    return {name: value for name, value in (("send_at", send_at), ("accounts", accounts)) if value}
