"""Request ids: the gateway refuses a second request that carries the id of an earlier one (code 124)."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from esms_connectors.gateway.endpoints import Endpoint, RequestIds
from esms_connectors.gateway.errors import InvalidRequestError

if TYPE_CHECKING:
    from pendulum import DateTime

MAX_LENGTH = 50


@dataclass(frozen=True, slots=True)
class IdFact:
    """
    What was seen of a function: a second request with the id of an earlier one was held back (124), or it was not.
    """

    honoured: bool
    seen_at: DateTime


class KnownRequestIds:
    """
    What is known, by function, of one account at one gateway. The last word wins, so threads need no lock.
    """

    def __init__(self) -> None:
        self._facts: dict[str, IdFact] = {}

    def fact(self, endpoint: Endpoint) -> IdFact | None:
        return self._facts.get(endpoint.name)

    def learn(self, endpoint: Endpoint, fact: IdFact) -> None:
        """Remember it, unless something newer is known."""
        known = self._facts.get(endpoint.name)
        if known is None or known.seen_at <= fact.seen_at:
            self._facts[endpoint.name] = fact

    def honoured(self, endpoint: Endpoint) -> bool:
        """Whether a second request is held back: as it was seen, else as the documentation has it without doubt."""
        fact = self._facts.get(endpoint.name)
        return endpoint.request_ids is RequestIds.DOCUMENTED if fact is None else fact.honoured


def make_request_id(*parts: str | int | None) -> str:
    """
    The same parts give the same id, in every process and version; different parts give different ids.

    Build it from what the message is (namespace, flow, run, task, recipient key, content hash), never from the number
    of the try: a repeat must carry the id of the first attempt.

    Args:
        parts: at least one; `1`, `"1"` and `None` are three different things.

    Returns:
        40 characters, lower-case letters and digits.
    """
    if not parts:
        raise InvalidRequestError("A request id needs at least one part that says what the message is.", field="parts")
    canonical = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:40]


def random_request_id() -> str:
    """An id for a message that nobody will ever want to repeat from outside this call."""
    return uuid.uuid4().hex


def check_request_id(request_id: str, *, row: int | None = None) -> str:
    """
    The id, if the gateway will take it.

    Raises:
        InvalidRequestError: empty, over 50 characters, or with blanks, control or non-ASCII characters, which the
            gateway may cut or fold and so no longer tell apart.
    """
    where = "" if row is None else f" in row {row}"
    if not isinstance(request_id, str) or not request_id:
        raise InvalidRequestError(
            f"The request id{where} is empty. Leave it out or give 1 to {MAX_LENGTH} characters.",
            field="request_id",
            row=row,
        )
    if len(request_id) > MAX_LENGTH:
        raise InvalidRequestError(
            f"The request id{where} has {len(request_id)} characters, the gateway takes {MAX_LENGTH}. "
            "make_request_id(*parts) makes a short one of any parts.",
            field="request_id",
            row=row,
        )
    if not request_id.isascii() or not request_id.isprintable() or " " in request_id:
        raise InvalidRequestError(
            f"The request id{where} holds blanks or characters outside printable ASCII.", field="request_id", row=row
        )
    return request_id
