"""Every scripted fault, in process and over a real socket: what the caller sees, and whether the call was processed."""

from __future__ import annotations

import time

import pytest
import requests
from gateway_caller import KEYS, SERVICE, element, phones

from esms_connectors.emulator.faults import (
    FAULTS,
    code,
    cut_body,
    drop_after,
    drop_before,
    empty_body,
    html,
    http_status,
    not_utf8,
    rate_limit,
    redirect,
    refuse_before,
    refuse_taken,
    slow,
)

CARE = SERVICE + "SendMultipleMessage_V4_post_json/"
SMS = {"Phone": "0901888484", "Content": "x", "Brandname": "Baotrixemay", "SmsType": "2"}


def sent_with(either, fault, timeout=60):
    """The response of one SMS under this fault."""
    either.emulator.faults.add("send_customer_care_sms", fault, next_calls=1)
    return either.response("POST", CARE, SMS, timeout)


@pytest.mark.parametrize(("fault", "processed"), [(drop_before(), 0), (drop_after(), 1), (refuse_before(), 0)])
def test_connection_faults_control_whether_the_call_is_processed(either, fault, processed):
    """The caller cannot tell the first two apart; the emulator can."""
    with pytest.raises(requests.ConnectionError):
        sent_with(either, fault)
    assert either.emulator.message_count == processed
    assert either.emulator.calls[-1].status == 0
    assert either.care()["CodeResult"] == "100"


def test_in_process_refusal_raises_new_connection_error(caller):
    """So that a client may know that nothing was sent."""
    with pytest.raises(requests.ConnectionError, match="NewConnectionError"):
        sent_with(caller, refuse_before())
    with pytest.raises(requests.ConnectionError, match="RemoteDisconnected"):
        sent_with(caller, drop_after())


@pytest.mark.parametrize(("when", "processed"), [("before", 0), ("after", 1)])
def test_http_status_fault_answers_before_or_after_processing(either, when, processed):
    """With a web page and Retry-After, processed or not."""
    response = sent_with(either, http_status(503, when, retry_after=2))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert response.text.startswith("<!DOCTYPE html>")
    assert sent_with(either, http_status(502, when, body="")).content == b""
    assert either.emulator.message_count == 2 * processed


@pytest.mark.parametrize("when", ["before", "after"])
def test_slow_response_is_processed_despite_read_timeout(either, when):
    """The read times out, the message goes out (over a socket perhaps a little later)."""
    with pytest.raises(requests.ReadTimeout):
        sent_with(either, slow(0.4, when), timeout=0.1)
    deadline = time.monotonic() + 60
    while either.emulator.message_count == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert either.emulator.message_count == 1
    assert sent_with(either, slow(0.05, when), timeout=60).json()["CodeResult"] == "100"


def test_in_process_slowness_advances_the_virtual_clock(caller):
    """The virtual clock moves instead."""
    before, begun = caller.emulator.clock.now_ms(), time.monotonic()
    sent_with(caller, slow(30), timeout=60)
    with pytest.raises(requests.ReadTimeout):
        sent_with(caller, slow(30), timeout=1)
    assert time.monotonic() - begun < 25  # of the 31
    assert caller.emulator.clock.now_ms() - before == 31_000


@pytest.mark.parametrize("processed", [False, True])
def test_html_and_empty_body_faults_answer_http_200(either, processed):
    """HTTP 200 is not an answer yet."""
    page = sent_with(either, html(processed))
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    empty = sent_with(either, empty_body(processed))
    assert (empty.status_code, empty.content) == (200, b"")
    assert either.emulator.message_count == 2 * processed


def test_truncated_body_raises_while_reading(either):
    """Content-Length promises more than comes, with and without streaming."""
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        sent_with(either, cut_body())
    either.emulator.faults.add("send_customer_care_sms", cut_body(keep=1.0), next_calls=1)
    with (
        either.session.post(either.base_url + CARE, json={**KEYS, **SMS}, stream=True, timeout=60) as response,
        pytest.raises(requests.exceptions.ChunkedEncodingError),
    ):
        list(response.iter_content(7))
    assert either.emulator.message_count == 2
    assert either.care()["CodeResult"] == "100"


def test_not_utf8_fault_gives_an_undecodable_body(either):
    """The JSON cannot be decoded; the message is out."""
    response = sent_with(either, not_utf8())
    with pytest.raises(UnicodeDecodeError):
        response.content.decode()
    assert either.emulator.message_count == 1


def test_code_and_rate_limit_faults_prevent_processing(either):
    """A code in the function's own shape, nothing processed; 160 or HTTP 429."""
    assert sent_with(either, code("103")).json()["CodeResult"] == "103"
    assert sent_with(either, rate_limit()).json()["CodeResult"] == "160"
    limited = sent_with(either, rate_limit("http_429", retry_after=0.5))
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "0.5")
    either.emulator.faults.add("*", code("140"))
    assert either.balance() == {"Balance": 0, "CodeResponse": "140", "ErrorMessage": "IP is not whitelisted"}
    assert either.missed([])["Code"] == 140
    assert either.template()["Error"] == 140
    assert either.emulator.message_count == 0


def test_redirect_fault_answers_307_without_processing(either):
    """307 with a place to go; a client that follows would send elsewhere."""
    response = sent_with(either, redirect("https://elsewhere.example/"))
    assert (response.status_code, response.headers["Location"]) == (307, "https://elsewhere.example/")
    assert either.emulator.message_count == 0


def codes_under(caller, calls=12):
    """Result codes of so many balance calls."""
    return [caller.balance()["CodeResponse"] for _ in range(calls)]


def test_fault_conditions_select_the_affected_calls(caller):
    """Given calls, the next calls, every nth call, a predicate; and clearing."""
    faults = caller.emulator.faults
    faults.add("get_balance", code("1"), calls=[2, 4])
    faults.add("*", code("2"), next_calls=1)
    faults.add("get_balance", code("3"), every=5)
    rule = faults.add("get_balance", code("4"), predicate=lambda call: call.number > 10)
    assert codes_under(caller) == ["2", "1", "100", "1", "3", "100", "100", "100", "100", "3", "4", "4"]
    assert rule.hits == 2
    faults.clear("get_sms_sent_data")
    assert len(faults.rules) == 4
    faults.clear()
    assert codes_under(caller, 1) == ["100"]
    with pytest.raises(ValueError, match="no such function"):
        faults.add("get_everything", code("1"))


@pytest.mark.in_turn(every=3)
def test_fault_probability_is_deterministic_per_seed(make_caller):
    """It is a function of the seed and the call number."""

    def struck(seed):
        caller = make_caller(seed=seed)
        caller.emulator.faults.add("get_balance", code("1"), probability=0.3)
        return codes_under(caller, 300)

    assert struck(1) == struck(1) != struck(2)
    assert struck(1).count("1") == pytest.approx(90, rel=0.3)


def test_fault_predicate_can_inspect_the_request(caller):
    """For instance: lose only the answer of the chunk with this recipient."""
    caller.emulator.faults.add(
        "send_zns_bulk", drop_after(), predicate=lambda call: b"0900000003" in call.request.body, next_calls=1
    )
    assert caller.bulk([element(phone) for phone in phones(3)])["TotalSuccess"] == 3
    with pytest.raises(requests.ConnectionError):
        caller.bulk([element(phone) for phone in phones(3, 3)])
    assert caller.emulator.message_count == 6


def test_global_rate_limit_answers_160_or_http_429(make_caller):
    """Beyond so many requests in a second of the clock: 160, or HTTP 429."""
    caller = make_caller(max_requests_per_second=3)
    assert codes_under(caller, 5) == ["100", "100", "100", "160", "160"]
    caller.emulator.advance(1)
    assert caller.balance()["CodeResponse"] == "100"
    strict = make_caller(max_requests_per_second=1, rate_limit_as="http_429")
    strict.balance()
    assert strict.response("POST", SERVICE + "GetBalance_json", {}).status_code == 429


def test_call_hooks_run_before_and_after_processing(caller):
    """Before: nothing is processed yet. After: the code is known."""
    seen = []
    caller.emulator.on_call("*", lambda call: seen.append((call.function, call.code, caller.emulator.message_count)))
    caller.emulator.on_call(
        "send_customer_care_sms", lambda call: seen.append((call.code, call.accepted)), when="after"
    )
    caller.care()
    assert seen == [("send_customer_care_sms", "", 0), ("100", 1)]


def test_call_log_records_functions_codes_and_faults(caller):
    """Calls by number, function and code, with the fault that struck."""
    caller.emulator.faults.add("get_balance", code("103"), calls=[1])
    caller.balance()
    caller.balance()
    assert [(call.function, call.number, call.code, call.fault) for call in caller.emulator.calls] == [
        ("get_balance", 1, "103", "code"),
        ("get_balance", 2, "100", ""),
    ]
    assert caller.emulator.codes == {("get_balance", "103"): 1, ("get_balance", "100"): 1}
    assert caller.emulator.call_count("get_balance") == 2
    caller.emulator.reset()
    assert not caller.emulator.calls
    assert caller.emulator.call_count("get_balance") == 0


@pytest.mark.parametrize(("share", "taken"), [(0, 0), (0.5, 20), (1, 40)])
@pytest.mark.parametrize("detail", ["none", "taken", "all"])
def test_refused_bulk_call_keeps_its_accepted_rows(either, share, taken, detail):
    """The first rows are stored, the call is refused; what it tells of them is up to the fault."""
    either.emulator.faults.add("send_zns_bulk", refuse_taken("99", share, detail=detail), next_calls=1)
    answer = either.bulk([element(phone) for phone in phones(40)])
    assert answer["CodeResult"] == "99"
    assert "TotalSuccess" not in answer
    codes = [row["CodeResult"] for row in answer.get("detail", [])]
    assert codes == {"none": [], "taken": ["100"] * taken, "all": ["100"] * taken + ["99"] * (40 - taken)}[detail]
    assert list(either.emulator.deliveries_by_phone()) == phones(40)[:taken]


def test_refused_bulk_call_may_report_a_wrong_total(caller):
    """The number of taken messages: true, or not."""
    counts = {}
    for told in ("right", "wrong"):
        for share in (0, 0.5):
            caller.emulator.faults.add("send_zns_bulk", refuse_taken("110", share, total_success=told), next_calls=1)
            counts[told, share] = caller.bulk([element(phone) for phone in phones(40)])["TotalSuccess"]
    assert counts == {("right", 0): 0, ("right", 0.5): 20, ("wrong", 0): 40, ("wrong", 0.5): 0}


def test_refuse_taken_fault_applies_to_sms_functions(caller):
    """A single message is taken, of a batch a part; the refusal may have its id."""
    caller.emulator.faults.add("*", refuse_taken("103", with_id=True))
    answer = caller.care(Phone="0901888484")
    assert answer["CodeResult"] == "103"
    assert caller.emulator.message(answer["SMSID"]).phone == "0901888484"
    caller.advertising(phones(30, 100))
    assert caller.emulator.message_count == 1 + 15


def test_http_429_after_processing_keeps_the_message(either):
    """HTTP 429 of something in front of the gateway, which had passed the call on."""
    response = sent_with(either, rate_limit("http_429", retry_after=0.5, when="after"))
    assert (response.status_code, response.headers["Retry-After"]) == (429, "0.5")
    assert either.emulator.message_count == 1


def test_fault_registry_lists_every_fault():
    """The control endpoint knows them all."""
    assert set(FAULTS) == {
        *("refuse_before", "drop_before", "drop_after", "http_status", "slow", "html"),
        *("empty_body", "cut_body", "not_utf8", "code", "rate_limit", "redirect", "refuse_taken"),
    }
