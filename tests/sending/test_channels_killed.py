"""`kill -9` on every channel: nobody gets a message twice, and what is not proven stays in doubt."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable

import pytest
from bulk_bench import DATABASES, Bench
from channel_samples import SAMPLES, SINGLE, sample_campaign
from sender_child import AFTER_CLAIM, BEFORE_SETTLE

from esms_connectors.gateway.endpoints import Effect, RequestIds
from esms_connectors.sending.bulk import BulkIncompleteError
from esms_connectors.sending.channels.factory import CHANNELS

ROWS = 4


def has_ids(kind: str) -> bool:
    """Whether a message that may have left can be repeated under its id."""
    endpoint = CHANNELS[kind].endpoint
    return endpoint.effect is Effect.SEND and endpoint.request_ids is RequestIds.DOCUMENTED


@pytest.mark.in_turn
@pytest.mark.parametrize(("kind", "database"), [(kind, DATABASES[n % 2]) for n, kind in enumerate(SINGLE)])
def test_killed_run_is_resumed_without_duplicates(
    kind: str, database: str, new_ledger_url: Callable[[str], str], make_bench: Callable[..., Bench]
) -> None:
    """
    Nobody gets it twice. With ids everybody gets it once, whenever the kill came. Without, a call that may have left is
    not made again: the row stays in doubt, unless the sent data shows the message.
    """
    bench = make_bench(new_ledger_url(database), proven=False)
    for moment in (AFTER_CLAIM, BEFORE_SETTLE):
        bench.run_key = moment
        bench.gateway.reset()
        killed = bench.start(channel=kind, sample=ROWS, moment=moment, threads=1)
        assert killed.wait() == -signal.SIGKILL
        taken = bench.gateway.message_count
        assert (taken > 0) is (moment == BEFORE_SETTLE)
        for _ in range(2):
            # The lease of its rows is over, and rows that are not listed by now were not sent.
            bench.clock.move(2 * 3600)
            with contextlib.suppress(BulkIncompleteError):
                sample_campaign(kind, bench.client(), bench.ledger(), ROWS, bench.run_key, threads=1).send()
        run = bench.books.summary(bench.run_key)
        if has_ids(kind):
            doubt = 0
        elif moment == AFTER_CLAIM:
            doubt = 1
        else:
            doubt = 0 if SAMPLES[kind].listed else taken
        assert (run.accepted, run.unknown) == (ROWS - doubt, doubt)
        # What was in doubt before its call was never made.
        told = ROWS - doubt if moment == AFTER_CLAIM else ROWS
        assert sorted(bench.gateway.deliveries_by_phone().values()) == [1] * told
