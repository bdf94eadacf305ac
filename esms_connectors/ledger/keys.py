"""The keys of the ledger: run keys, request ids, and phones as plain text or keyed hashes."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.request_ids import MAX_KEY_LENGTH, make_request_id
from esms_connectors.ledger.rows import LedgerRow

MADE_KEY_PREFIX = "airflow/"
# How Jinja, Python, pandas, jq and browsers print a missing value.
_MISSING = frozenset(("None", "null", "NULL", "nan", "NaN", "NaT", "<NA>", "undefined"))
_PART_ENDS = re.compile(r"\s*[-_/.:;,|=#]\s*")
_WORD_ENDS = re.compile(r"[\s()\[\]{}'\"]+")
# The id of an Airflow run, in which double separators are legitimate.
_RUN_ID = re.compile(
    r"(?<![a-z])(?:backfill|scheduled|manual|[a-z]+_triggered|asset_materialization)__"
    r"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)(?:__\w+)*|\w+)"
)


class LedgerKeys:
    """
    Request ids and stored forms of one ledger.

    Args:
        phone_secret: key of the HMAC under which phones and row keys are stored; None stores them plain.
    """

    def __init__(self, phone_secret: str | None) -> None:
        if phone_secret and not phone_secret.isprintable():
            raise ConfigurationError(
                "The ledger's secret (ESMS_LEDGER_SECRET) has a line end, or another character that is not printable."
            )
        self._secret = phone_secret.encode() if phone_secret else None

    @property
    def mark(self) -> str:
        """A value that identifies the secret, or the absence of one."""
        return self.hash("phones") if self._secret else "plain"

    def request_ids(self, run_key: str, row_keys: Iterable[str]) -> list[str]:
        """The keys of rows: run and row, never the content, so that a changed row is noticed and not sent again."""
        return self.request_ids_of_stored(run_key, map(self.stored, row_keys))

    @staticmethod
    def request_ids_of_stored(run_key: str, stored_keys: Iterable[str]) -> list[str]:
        """The same for row keys in their stored form."""
        # The common prefix is hashed once, for speed with a million rows.
        run = hashlib.sha256(make_request_id("bulk", run_key).encode())
        ids = []
        for stored in stored_keys:
            one = run.copy()
            one.update(stored.encode())
            ids.append(one.hexdigest()[:40])
        return ids

    def records(self, run_key: str, rows: Sequence[LedgerRow]) -> list[dict[str, Any]]:
        """
        Rows in their stored form.

        Raises:
            InvalidRequestError: a key is longer than the ledger's column for it.
        """
        keys = [self.stored(row.row_key) for row in rows]
        if max(map(len, keys), default=0) > MAX_KEY_LENGTH:
            raise InvalidRequestError(f"A row key takes at most {MAX_KEY_LENGTH} characters.", field="key")
        return [
            {
                "request_id": request_id,
                "row_key": key,
                "phone": self.stored(row.phone),
                "payload_hash": self.hash(row.payload),
                "line": row.line,
            }
            for row, key, request_id in zip(rows, keys, self.request_ids_of_stored(run_key, keys), strict=True)
        ]

    def stored(self, text: str) -> str:
        """
        A phone or a row key in its stored form. Keys are normalised to NFC, so that a list rewritten by another program
        has the same keys and no row is sent twice.
        """
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
        return self.hash(text) if self._secret else text

    def hash(self, text: str) -> str:
        if self._secret is None:
            return hashlib.sha256(text.encode()).hexdigest()[:40]
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()[:40]


def check_run_key(run_key: object) -> str:
    """
    The run key normalised to NFC, so that keys that look alike are one run.

    Rejects `visits-None` and `visits-`, which a template or a script makes of `visits-{day}` without a day. Unrelated
    campaigns would share such a key, and recipients of the first would be skipped in the second.

    Raises:
        InvalidRequestError: not a text, empty, too long, with leading or trailing blanks, with unprintable characters,
            or with a part that is empty or a word for a missing value.
    """
    if not isinstance(run_key, str):
        raise InvalidRequestError(f"run_key must be text, not {type(run_key).__name__}.", field="run_key")
    run_key = unicodedata.normalize("NFC", run_key)
    if not run_key or run_key != run_key.strip() or len(run_key) > 200 or not run_key.isprintable():
        raise InvalidRequestError(
            "run_key takes 1 to 200 printable characters, without spaces at either end.", field="run_key"
        )
    # Keys that an adapter built from the ids of DAG, run and task are exempt, because those may have any name.
    if not run_key.startswith(MADE_KEY_PREFIX) and (missing := _missing_part(run_key)):
        raise InvalidRequestError(
            f"run_key {run_key!r} {missing}: a value is missing there. Another campaign would get the same key, and "
            "its recipients would count as already sent to.",
            field="run_key",
        )
    return run_key


def _missing_part(run_key: str) -> str:
    parts = _PART_ENDS.split(_RUN_ID.sub("run", run_key.replace("://", "/")))
    if not all(parts):
        return "has an empty part"
    words = (word for part in parts for word in _WORD_ENDS.split(part))
    return next((f"has the word {word} as a part" for word in words if word in _MISSING), "")


def wire_id(request_id: str, generation: int) -> str:
    """The request id that is sent; a new one after a definite refusal, because the refused id may be used up."""
    return request_id if generation == 0 else f"{request_id}-{generation}"
