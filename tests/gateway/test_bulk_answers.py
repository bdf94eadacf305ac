"""Whatever `detail` of a bulk send looks like: an outcome for everybody, and none that the answer does not give."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_server import RawServer, http_answer
from samples import VALUES, send_customer_care_sms

from esms_connectors import (
    BalanceError,
    BulkSubmission,
    EsmsClient,
    InvalidRequestError,
    Outcome,
    OutcomeUnknownError,
    ZnsRecipient,
)
from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import code
from esms_connectors.gateway.answers import Answer
from esms_connectors.gateway.decode import bulk_rows

MakeClient = Callable[..., EsmsClient]
ACCEPTED, REJECTED, UNKNOWN = Outcome.ACCEPTED, Outcome.REJECTED, Outcome.UNKNOWN
PHONES = ["0901888484", "0912345678", "0987654321"]


def recipients(count: int) -> list[ZnsRecipient]:
    return [ZnsRecipient(f"0901{number:06}", VALUES, f"bulk-{number}") for number in range(count)]


def send(client: EsmsClient, to: Any) -> BulkSubmission:
    return client.send_zns_bulk(to, DEMO_TEMPLATE_ID, DEMO_OA_ID)


def outcomes_of(detail: Any, *, in_doubt: bool = False, **others: Any) -> list[tuple[Outcome, str | None]]:
    """(outcome, code) of three recipients for an answer with this `detail`."""
    fields = {"CodeResult": "100", "detail": detail, **others}
    rows = bulk_rows(Answer(fields, None, in_doubt=in_doubt), PHONES, ["a", "b", "c"])
    assert [row.phone for row in rows] == PHONES
    return [(row.outcome, row.code) for row in rows]


def row(phone: Any, code: Any = "100", **others: Any) -> dict[str, Any]:
    # An id stands beside a success only.
    ids = {"SMSID": f"id-{str(phone)[::-1]}"} if str(code).strip() in ("100", "124") else {}
    return {"Phone": phone, "CodeResult": code, **ids, **others}


@pytest.mark.parametrize("quirk", ["complete", "shuffled", "without_rejected", "random_rows_missing", "without_smsid"])
def test_bulk_outcomes_agree_with_the_stored_messages(gateway: Emulator, client: EsmsClient, quirk: Any) -> None:
    """Accepted rows are stored once, rejected rows are not, and a row that is missing is unknown, never rejected."""
    gateway.quirks.bulk_detail = quirk
    for number in (3, 7):
        gateway.block_phone(f"0901{number:06}")

    outcome = send(client, recipients(20))

    stored = gateway.deliveries_by_phone()
    assert [one.request_id for one in outcome.rows] == [f"bulk-{number}" for number in range(20)]
    for one in outcome.rows:
        if one.outcome is ACCEPTED:
            assert stored[one.phone] == 1
            assert quirk == "without_smsid" or gateway.message(one.message_id or "").phone == one.phone
        elif one.outcome is REJECTED:
            assert one.code == "99"
            assert stored[one.phone] == 0
    assert outcome.accepted + outcome.rejected + outcome.unknown == 20
    assert (outcome.unknown > 0) == (quirk in ("without_rejected", "random_rows_missing"))


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ([row(phone) for phone in PHONES], [(ACCEPTED, "100")] * 3),
        ([row(phone) for phone in reversed(PHONES)], [(ACCEPTED, "100")] * 3),
        ([row(PHONES[1])], [(UNKNOWN, None), (ACCEPTED, "100"), (UNKNOWN, None)]),
        ([row("84" + phone[1:]) for phone in PHONES], [(ACCEPTED, "100")] * 3),
        ([row("+84" + phone[1:]) for phone in PHONES], [(ACCEPTED, "100")] * 3),
        ([row(int(phone)) for phone in PHONES], [(ACCEPTED, "100")] * 3),
        ([row(phone, 100) for phone in PHONES], [(ACCEPTED, "100")] * 3),
        ([row(phone, " 100 ") for phone in PHONES], [(ACCEPTED, "100")] * 3),
        ([row(phone, "124") for phone in PHONES], [(ACCEPTED, "124")] * 3),
        ([row(phone, "108") for phone in PHONES], [(REJECTED, "108")] * 3),
        ([row(phone, "99") for phone in PHONES], [(REJECTED, "99")] * 3),
        ([row(phone, "555") for phone in PHONES], [(UNKNOWN, "555")] * 3),
        ([row(phone, "105") for phone in PHONES], [(UNKNOWN, "105")] * 3),
        ([row(phone, None) for phone in PHONES], [(UNKNOWN, None)] * 3),
        ([row(phone, True) for phone in PHONES], [(UNKNOWN, None)] * 3),
        ([row(phone, "Success") for phone in PHONES], [(UNKNOWN, "Success")] * 3),
        ([row(phone, "100", Code=108) for phone in PHONES], [(UNKNOWN, None)] * 3),
        ([row("0999999999"), row("not a number"), row(None), "100", 100, None], [(UNKNOWN, None)] * 3),
        ([row(PHONES[0]), row(PHONES[0], "108")], [(UNKNOWN, None)] * 3),
        ([row(PHONES[0]), row(PHONES[0])], [(ACCEPTED, "100"), (UNKNOWN, None), (UNKNOWN, None)]),
        ([row(PHONES[0]), row("84" + PHONES[0][1:], "124")], [(UNKNOWN, None)] * 3),
        ([[row(phone) for phone in PHONES]], [(UNKNOWN, None)] * 3),
        ({"0": row(PHONES[0])}, [(UNKNOWN, None)] * 3),
        ("100", [(UNKNOWN, None)] * 3),
        (100, [(UNKNOWN, None)] * 3),
        ([], [(UNKNOWN, None)] * 3),
        (None, [(UNKNOWN, None)] * 3),
    ],
)
def test_every_form_of_detail_gives_the_expected_row_outcomes(
    detail: Any, expected: list[tuple[Outcome, str | None]]
) -> None:
    """Only a row that names the phone and one code decides; 100 for the call as a whole says nothing."""
    assert outcomes_of(detail) == expected


def test_answer_totals_do_not_decide_row_outcomes() -> None:
    """TotalSuccess may say what it likes."""
    assert outcomes_of(None, TotalSuccess=3, TotalFail=0) == [(UNKNOWN, None)] * 3


def test_missing_detail_leaves_all_rows_unknown() -> None:
    """The member is not there at all."""
    rows = bulk_rows(Answer({"CodeResult": "100"}, None), PHONES, ["a", "b", "c"])
    assert {one.outcome for one in rows} == {UNKNOWN}


@pytest.mark.parametrize("refusal", ["101", "103", "140", "160"])
def test_rows_of_a_repeat_with_an_account_refusal_stay_unknown(refusal: str) -> None:
    """After a lost answer they may be out already; without one they are rejected."""
    detail = [row(phone, refusal) for phone in PHONES]
    assert outcomes_of(detail, in_doubt=True) == [(UNKNOWN, refusal)] * 3
    assert outcomes_of(detail) == [(REJECTED, refusal)] * 3


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from([*PHONES, "100", "124", "108"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["Phone", "CodeResult", "Code", "SMSID", "phone", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.in_turn
@given(detail=st.lists(anything, max_size=5) | anything)
def test_any_detail_is_read_without_inventing_accepted_rows(detail: Any) -> None:
    """Any JSON at all: three outcomes come back, accepted ones only where a row says 100 or 124 for that phone."""
    for outcome, code_of_row in outcomes_of(detail):
        assert (outcome is ACCEPTED) == (code_of_row in ("100", "124"))


def test_row_with_a_balance_refusal_stops_the_run(gateway: Emulator, client: EsmsClient) -> None:
    """103 inside `detail` stops later sends as 103 for a whole call does."""
    gateway.set_balance(900)
    outcome = send(client, recipients(5))

    with pytest.raises(BalanceError):
        send_customer_care_sms(client)

    assert (outcome.accepted, outcome.rejected) == (3, 2)
    assert gateway.call_count("send_customer_care_sms") == 0


def test_rows_sent_earlier_are_reported_as_duplicates(gateway: Emulator, client: EsmsClient) -> None:
    """A second call with old and new request ids sends the new ones only."""
    send(client, recipients(3))

    outcome = send(client, recipients(5))

    assert (outcome.accepted, outcome.duplicates, outcome.all_accepted) == (5, 3, True)
    assert [one.duplicate for one in outcome.rows] == [True, True, True, False, False]
    assert [one.message_id is None for one in outcome.rows] == [True, True, True, False, False]
    assert set(gateway.deliveries_by_phone().values()) == {1}


def test_five_hundred_recipients_are_sent_in_one_call(gateway: Emulator, client: EsmsClient) -> None:
    """The limit itself is allowed."""
    assert send(client, recipients(500)).all_accepted
    assert (gateway.call_count("send_zns_bulk"), gateway.message_count) == (1, 500)


@pytest.mark.parametrize(
    ("to", "field", "at"),
    [
        ([], "recipients", None),
        (recipients(501), "recipients", None),
        ([*recipients(2), ZnsRecipient("+84 901 000 001", VALUES, "x")], "phone", 2),
        ([*recipients(2), ZnsRecipient("02438123456", VALUES, "x")], "phone", 2),
        ([*recipients(2), ZnsRecipient("0912345678", VALUES, "bulk-1")], "request_id", None),
        ([*recipients(2), ZnsRecipient("0912345678", VALUES, "x" * 51)], "request_id", 2),
        ([*recipients(2), ZnsRecipient("0912345678", VALUES, "")], "request_id", 2),
        ([*recipients(2), ZnsRecipient("0912345678", VALUES[:3], "x")], "template_params", 2),
        ([*recipients(2), ZnsRecipient("0912345678", (*VALUES[:3], 1.5), "x")], "template_params", 2),
        ([*recipients(2), ZnsRecipient("0912345678", (*VALUES[:3], None), "x")], "template_params", 2),
        ([*recipients(2), ZnsRecipient("0912345678", (*VALUES[:3], "\ud83d"), "x")], "template_params", 2),
        ([*recipients(2), ZnsRecipient("0912345678", "abcd", "x")], "template_params", 2),
        ([*recipients(2), ZnsRecipient("0912345678", {"a": 1}, "x")], "template_params", 2),
    ],
)
def test_invalid_bulk_recipients_are_rejected_with_their_row(
    gateway: Emulator, client: EsmsClient, to: list[ZnsRecipient], field: str, at: int | None
) -> None:
    """One bad row and nothing at all is sent; the error says which."""
    with pytest.raises(InvalidRequestError) as caught:
        send(client, to)

    assert (caught.value.field, caught.value.row) == (field, at)
    assert at is None or str(at) in str(caught.value)
    assert gateway.call_count("send_zns_bulk") == 0


def test_undocumented_code_for_the_whole_call_is_unknown(gateway: Emulator, client: EsmsClient) -> None:
    """Nobody knows what was taken."""
    gateway.faults.add("send_zns_bulk", code("556"))
    with pytest.raises(OutcomeUnknownError):
        send(client, recipients(2))
    assert gateway.call_count("send_zns_bulk") == 1


def test_message_ids_are_matched_by_phone_in_shuffled_rows(make_client: MakeClient) -> None:
    """Message ids follow the phones, not the places."""
    detail = [row(phone) for phone in reversed(PHONES)]
    with RawServer(http_answer(json.dumps({"CodeResult": 100, "detail": detail}))) as server:
        outcome = send(make_client(server.base_url), [ZnsRecipient(phone, VALUES) for phone in PHONES])
    assert [one.message_id for one in outcome.rows] == [f"id-{str(phone)[::-1]}" for phone in PHONES]


def test_code_124_for_the_whole_call_leaves_all_rows_unknown(gateway: Emulator, client: EsmsClient) -> None:
    """Of one row or of all? Nobody can tell, so nobody is called sent, and nobody may be called not sent."""
    gateway.faults.add("send_zns_bulk", code("124", "Request exist 1"))
    bulk = send(client, recipients(3))
    assert [(row.outcome, row.code) for row in bulk.rows] == [(UNKNOWN, "124")] * 3
    assert not bulk.all_accepted
