"""Operations by name, with plain values: what a command line, a DAG file or JSON can give."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from typing import Any

import pytest
from canned import Canned, client_of
from documented_answers import ANSWERS
from every_argument import EVERY_ARGUMENT, PHONE

from esms_connectors import EsmsClient, InvalidRequestError
from esms_connectors.gateway.endpoints import ENDPOINTS
from esms_connectors.gateway.operations import (
    call_operation,
    check_names,
    describe_operation,
    operation_names,
    read_arguments,
    with_request_ids,
)


def plain(value: Any) -> Any:
    """As JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime | date) else value


def as_words(value: Any) -> Any:
    """As a command line or a template has it."""
    value = plain(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def bodies(client: EsmsClient) -> list[Any]:
    adapter = client._transport._adapter
    assert isinstance(adapter, Canned)
    return [(request.url, request.body) for request in adapter.requests]


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("name", ANSWERS)
def test_plain_and_typed_arguments_make_the_same_request(name: str) -> None:
    """Given as JSON, as words, and as the method takes them; the answer is JSON in each case."""
    arguments = EVERY_ARGUMENT[name]
    clients = [client_of(ANSWERS[name]) for _ in range(3)]

    typed = getattr(clients[0], name)(**arguments)
    if inspect.isgenerator(typed):
        list(typed)
    answers = [
        call_operation(client, name, {key: form(value) for key, value in arguments.items()})
        for client, form in zip(clients[1:], (plain, as_words), strict=True)
    ]

    assert bodies(clients[0]) == bodies(clients[1]) == bodies(clients[2])
    assert answers[0] == answers[1] == json.loads(json.dumps(answers[0]))


def test_every_operation_is_described() -> None:
    """A sentence about it, words for each argument, and when it is repeated."""
    assert operation_names() == tuple(ENDPOINTS)
    for name in operation_names():
        operation = describe_operation(name)
        assert operation.summary
        assert operation.repeated_when
        assert all(argument.takes for argument in operation.arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("send_vibr", {}, "The gateway has no operation 'send_vibr'. Did you mean send_viber?"),
        ("get_oa_quota", {"oaid": "4"}, "get_oa_quota has no argument 'oaid'. Did you mean oa_id? It takes oa_id."),
        ("get_balance", {"x": "4"}, "get_balance has no argument 'x'. It takes no arguments."),
        ("get_oa_quota", {}, "get_oa_quota needs oa_id."),
        ("get_oa_quota", {"oa_id": None}, "get_oa_quota needs oa_id."),
    ],
)
def test_operation_and_argument_names_are_checked_without_a_client(
    name: str, arguments: dict[str, Any], words: str
) -> None:
    """Where a DAG is parsed, or a flow is built."""
    with pytest.raises(InvalidRequestError) as caught:
        check_names(name, arguments)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("list_oa_followers", {"oa_id": "4", "count": "many"}, "count takes a whole number."),
        ("list_oa_followers", {"oa_id": "4", "count": True}, "count takes a whole number."),
        ("get_oa_quota", {"oa_id": 4097311281936189049}, "oa_id takes text, not int: long ids lose digits as numbers."),
        ("send_viber", {"phones": "[1", "brandname": "B"}, "phones takes a JSON list."),
        ("send_viber", {"phones": [901888484], "brandname": "B"}, "phones takes text, not int"),
        ("send_zns", {"phone": PHONE, "template_id": "1", "oa_id": "2", "template_params": "x"}, "a JSON object."),
        ("purchase_oa_package", {"oa_id": "1", "package": "4", "starts_on": "today", "duration": "6"}, "1 trial"),
        (
            "send_zns_bulk",
            {"recipients": [{"phone": PHONE, "params": []}], "template_id": "1", "oa_id": "2"},
            "recipients takes objects with phone, template_params, request_id; 'params' is none of them.",
        ),
        (
            "send_zns_bulk",
            {"recipients": [{"phone": PHONE}], "template_id": "1", "oa_id": "2"},
            "template_params is missing.",
        ),
        (
            "send_auto_otp_multi_channel",
            {"phone": PHONE, "multi_channel_template_id": "1", "send": "maybe"},
            "send takes true or false.",
        ),
    ],
)
def test_invalid_argument_value_gives_one_line_error(name: str, given: dict[str, Any], words: str) -> None:
    """In one line; nothing was sent."""
    with pytest.raises(InvalidRequestError) as caught:
        read_arguments(name, given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_request_ids_are_derived_from_the_caller_unless_given() -> None:
    """The same for the same caller, another one for another operation or phone; one that was given stays."""
    sms = read_arguments("send_viber", {"phones": PHONE, "brandname": "B", "content": "x"})
    one, other = (with_request_ids("send_viber", sms, "dag", run)["request_id"] for run in ("run-1", "run-2"))
    assert one == with_request_ids("send_viber", sms, "dag", "run-1")["request_id"] != other
    assert with_request_ids("send_viber", {**sms, "request_id": "mine"}, "dag")["request_id"] == "mine"

    rows = [{"phone": PHONE, "template_params": []}, {"phone": "0912345678", "template_params": [], "request_id": "r"}]
    bulk = read_arguments("send_zns_bulk", {"recipients": rows, "template_id": "1", "oa_id": "2"})
    ids = [recipient.request_id for recipient in with_request_ids("send_zns_bulk", bulk, "dag")["recipients"]]
    assert ids[0]
    assert ids[1] == "r"
    assert with_request_ids("get_balance", {}, "dag") == {}


def test_phones_in_results_can_be_masked() -> None:
    """Where many people read: XCom, artifacts, terminals."""
    client = client_of(ANSWERS["get_sms_receiver_status"])
    shown, masked = (
        call_operation(client, "get_sms_receiver_status", {"message_id": "m-1"}, show_phones=show)
        for show in (True, False)
    )
    assert shown["rows"][0]["phone"] == PHONE
    assert PHONE not in json.dumps(masked)
    assert masked == {**shown, "rows": [{**shown["rows"][0], "phone": "090*****84"}]}
