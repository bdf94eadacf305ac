"""Request ids: the gateway rejects a second request with the id of an earlier one (code 124)."""

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
MAX_KEY_LENGTH = 200  # of a row key in its plain form, which lists are checked for and the ledger stores


@dataclass(frozen=True, slots=True)
class IdFact:
    """
    An observation about a function: a second request with the id of an earlier one was rejected (124), or was not.
    """

    honoured: bool
    seen_at: DateTime


class KnownRequestIds:
    """
    The observations by function for one account at one gateway. The latest one wins, so threads need no lock.
    """

    def __init__(self) -> None:
        self._facts: dict[str, IdFact] = {}

    def fact(self, endpoint: Endpoint) -> IdFact | None:
        return self._facts.get(endpoint.name)

    def learn(self, endpoint: Endpoint, fact: IdFact) -> None:
        """Store `fact`, unless a newer one is known."""
        known = self._facts.get(endpoint.name)
        if known is None or known.seen_at <= fact.seen_at:
            self._facts[endpoint.name] = fact

    def honoured(self, endpoint: Endpoint) -> bool:
        """Whether a second request is rejected: as observed, else only if the documentation says so consistently."""
        fact = self._facts.get(endpoint.name)
        return endpoint.request_ids is RequestIds.DOCUMENTED if fact is None else fact.honoured


def make_request_id(*parts: str | int | None) -> str:
    """
    A request id derived from `parts`: equal parts give the same id in every process and version.

    Build it from what identifies the message (namespace, flow, run, task, recipient key, content hash), never from the
    number of the try: a repeat must have the id of the first attempt.

    Args:
        parts: at least one; `1`, `"1"` and `None` are different.

    Returns:
        40 characters, lower-case letters and digits.

    Raises:
        InvalidRequestError: there is no part.
    """
    if not parts:
        raise InvalidRequestError("A request id needs at least one part that says what the message is.", field="parts")
    canonical = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:40]


def random_request_id() -> str:
    """An id for a message that is never repeated by a later call."""
    return uuid.uuid4().hex


def check_request_id(request_id: str, *, row: int | None = None) -> str:
    """
    The id, if the gateway accepts it.

    Raises:
        InvalidRequestError: empty, over 50 characters, or with blanks, control or non-ASCII characters, which the
            gateway may strip or fold, so that different ids become equal.
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
            f"The request id{where} has {len(request_id)} characters, the gateway accepts at most {MAX_LENGTH}. "
            "make_request_id(*parts) makes a short one from any parts.",
            field="request_id",
            row=row,
        )
    if not request_id.isascii() or not request_id.isprintable() or " " in request_id:
        raise InvalidRequestError(
            f"The request id{where} contains spaces or characters outside printable ASCII.", field="request_id", row=row
        )
    return request_id
