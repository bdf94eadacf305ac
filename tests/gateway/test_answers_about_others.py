"""Look-ups that answer for another message, in another spelling, or several times for one."""

from __future__ import annotations

from typing import Any

import pytest
from canned import client_of

from esms_connectors import MessageNotFoundError

TOTALS = {"CodeResponse": "100", "SendStatus": 5, "TotalReceiver": 1, "SendSuccess": 1, "SendFailed": 0}
CALL = {"CodeResponse": "100", "SendStatus": 5, "SentResult": 1}


@pytest.mark.parametrize(
    ("function", "answer", "echo"),
    [("get_send_status", TOTALS, "SMSID"), ("get_voice_call_status", CALL, "ReferenceId")],
)
def test_status_of_another_message_is_not_the_status_of_this_one(
    function: str, answer: dict[str, Any], echo: str
) -> None:
    """It proves nothing, as if the id were not found; the id in capitals, padded or left out is the same message."""
    with (
        client_of({**answer, echo: "other-id"}) as client,
        pytest.raises(MessageNotFoundError, match="another"),
    ):
        getattr(client, function)("my-id")
    for same in ("MY-ID ", None):
        with client_of({**answer, echo: same}) as client:
            assert getattr(client, function)("my-id").send_status == 5


def report(message_id: str, status: int, succeeded: int, failed: int) -> dict[str, Any]:
    return {
        "SMSID": message_id, "SendStatus": status, "TotalReceiver": 1, "SendSuccess": succeeded, "SendFailed": failed,
    }  # fmt: skip


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("others", "counts"),
    [
        ([report("m-1", 2, 0, 0), report("m-1", 5, 0, 1)], (5, 0, 1)),
        ([report("m-1", 5, 1, 0), report("m-1", 5, 0, 1)], (5, 1, 0)),
        ([report("M-1", 5, 1, 0), report("x-9", 5, 0, 1)], (5, 1, 0)),
    ],
)
def test_reports_of_other_ids_are_ignored(
    others: list[dict[str, Any]], counts: tuple[int, int, int], turned: bool
) -> None:
    """By the id as it was asked for; of several for one message the final one, and a delivery before a failure."""
    rows = others[::-1] if turned else others
    with client_of({"Code": 100, "Data_callback": rows}) as client:
        found = client.get_callback_data(["m-1", "m-2"], "oa-1")
    assert {*found.reports} == {"m-1"}
    assert found.missing == ("m-2",)
    totals = found.reports["m-1"].totals
    assert (totals.send_status, totals.succeeded, totals.failed) == counts
