"""
What a small send leaves behind in Airflow's task state store, so that another try sends nothing twice.

For a handful of messages it is what the ledger is for a campaign: written before each call and after each answer. It
holds request ids, states and times; no phone and no text.
"""

from __future__ import annotations

from typing import Any

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.retry import inside_duplicate_window
from esms_connectors.ledger import wire_id

_KEY = "esms_sends"


class HeldError(EsmsError):
    """A message is in doubt for longer than the gateway surely holds a second one back. A person must look it up."""


class Journal:
    """
    The sends of one task instance.

    Args:
        store: get and set of JSON values, committed when `set` returns.
        payload_hash: of everything that is sent; another one is an error, because an id stands for one message.
        generation: of the sends; see `identity.generation_of`.

    Raises:
        InvalidRequestError: an earlier try of this task sent something else.
    """

    def __init__(self, store: Any, payload_hash: str, generation: int = 1) -> None:
        self._store = store
        found = store.get(_KEY, None)
        if not isinstance(found, dict) or found.get("generation") != generation:
            found = {"generation": generation, "payload": payload_hash, "sends": {}}
        if found["payload"] != payload_hash and found["sends"]:
            raise InvalidRequestError(
                "An earlier try of this task had other phones or another text, and messages of it went out or may "
                "have. It was not sent again: take what changes between tries, such as the time, out of the template.",
                field="text",
            )
        found["payload"] = payload_hash
        self._state: dict[str, Any] = found

    def begin(self, request_id: str, *, repeatable: bool = True, now: DateTime | None = None) -> str | None:
        """
        The id to send under now; None when it was accepted before.

        Args:
            repeatable: the gateway is known to hold back a second request with this id.

        Raises:
            HeldError: an earlier attempt is in doubt, and its id protects no longer.
        """
        now = now or pendulum.now("UTC")
        send = self._state["sends"].setdefault(request_id, {"generation": 0})
        if "accepted" in send:
            return None
        if "since" in send:
            since = pendulum.from_timestamp(send["since"])
            if not repeatable or not inside_duplicate_window(since, now):
                raise HeldError(
                    "An earlier try may have sent this message, and a second one would not surely be held back any "
                    "more. Look it up in the sent data; it is not sent again."
                )
        else:
            send["since"] = now.timestamp()
            self._save()
        return wire_id(request_id, send["generation"])

    def accepted(self, request_id: str, message_id: str | None, *, duplicate: bool) -> None:
        send = self._state["sends"][request_id]
        send.pop("since", None)
        send["accepted"] = {"message_id": message_id, "duplicate": duplicate}
        self._save()

    def refused(self, request_id: str, code: str, *, settles: bool) -> None:
        """
        The gateway said no, which may have used the id up.

        Args:
            settles: it proves that nothing was taken, by this attempt or an earlier one; else the message stays in
                doubt and keeps its id, and a later 124 is no proof either.
        """
        send = self._state["sends"][request_id]
        if settles:
            send.pop("since", None)
            send.pop("refused", None)
            send["generation"] += 1
        else:
            send["refused"] = code
        self._save()

    def was_refused(self, request_id: str) -> bool:
        """Whether the id that this message goes under met a refusal, and may be used up."""
        return "refused" in self._state["sends"].get(request_id, {})

    def not_sent(self, request_id: str, *, was_in_doubt: bool) -> None:
        """It certainly did not leave this time."""
        if was_in_doubt:
            return
        self._state["sends"][request_id].pop("since", None)
        self._save()

    def in_doubt(self, request_id: str) -> bool:
        """Whether an earlier try may have sent it."""
        return "since" in self._state["sends"].get(request_id, {})

    def results(self) -> list[dict[str, Any]]:
        """message_id and duplicate of each accepted one."""
        return [send["accepted"] for send in self._state["sends"].values() if "accepted" in send]

    def _save(self) -> None:
        from airflow.sdk import NEVER_EXPIRE

        # By default Airflow forgets after 30 days, and a task cleared after that would send again.
        self._store.set(_KEY, self._state, retention=NEVER_EXPIRE)
