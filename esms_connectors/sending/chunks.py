"""Cuts a stream of recipients into lists that are sent in one call each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from esms_connectors.recipients import Recipient


def cut_chunks(source: Iterable[Recipient], size: int) -> Iterator[list[Recipient]]:
    """Lists of `size` rows; a row whose phone is already in the list is moved to the next one."""
    chunk: dict[str, Recipient] = {}
    later: list[Recipient] = []

    def refill() -> None:
        waiting = list(later)
        chunk.clear()
        later.clear()
        for recipient in waiting:
            if recipient.phone in chunk:
                later.append(recipient)
            else:
                chunk[recipient.phone] = recipient

    rows = iter(source)
    while batch := list(islice(rows, 1 if chunk else size)):
        if not chunk and len({recipient.phone for recipient in batch}) == size:
            yield batch  # the common case
            continue
        for recipient in batch:
            if recipient.phone in chunk:
                later.append(recipient)
            else:
                chunk[recipient.phone] = recipient
            if len(chunk) >= size or len(later) >= size:
                yield list(chunk.values())
                refill()
    while chunk:
        yield list(chunk.values())
        refill()


def balance_last_chunk(chunks: Iterable[list[Recipient]], smallest: int) -> Iterator[list[Recipient]]:
    """The same rows; a last list that is too small is evened out with the one before."""
    before: list[Recipient] | None = None
    for chunk in chunks:
        if before is not None and len(chunk) < smallest:
            both = before + chunk
            if len({recipient.phone for recipient in both}) == len(both):
                before, chunk = both[: len(both) // 2], both[len(both) // 2 :]
        if before is not None:
            yield before
        before = chunk
    if before is not None:
        yield before
