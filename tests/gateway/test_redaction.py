"""Neither key nor a phone number in full in anything that people or log collectors read; `test_fault_table` too."""

from __future__ import annotations

import copy
import http.client
import json
import logging
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_table import API_KEY, NOON, SECRET_KEY, everything_logged, readings_of
from hypothesis import given
from hypothesis import strategies as st
from leaks import leaks_in, spellings_of_key, spellings_of_phone
from raw_server import RawServer, http_answer
from samples import PHONE, SENDS, VALUES, send_customer_care_sms

import esms_connectors.gateway
from esms_connectors import (
    Credentials,
    EsmsClient,
    EsmsError,
    GatewayError,
    InvalidRequestError,
    ZnsRecipient,
    normalise_phone,
)
from esms_connectors.gateway import redaction
from esms_connectors.gateway.redaction import get_logger, mask_phone, redact, register_secret

MakeClient = Callable[..., EsmsClient]
OURS = str(Path(esms_connectors.gateway.__file__).parent)


@pytest.fixture
def canary() -> Credentials:
    return Credentials(API_KEY, SECRET_KEY)


@pytest.fixture
def log() -> Iterator[Any]:
    with everything_logged() as written:
        yield written


def locals_of_ours(error: BaseException) -> str:
    """The variables of our own frames, as an error tracker would show them."""
    shown, waiting = [], [error]
    while waiting:
        link = waiting.pop()
        for frame in traceback.TracebackException.from_exception(link, capture_locals=True).stack:
            if frame.filename.startswith(OURS):
                shown += [f"{frame.name}: {name} = {value}" for name, value in (frame.locals or {}).items()]
        waiting += [one for one in (link.__cause__, link.__context__) if one is not None]
    return "\n".join(shown)


CALLS: dict[str, Callable[[EsmsClient], Any]] = {
    **SENDS,
    "get_send_status": lambda client: client.get_send_status("id"),
    "get_sms_receiver_status": lambda client: client.get_sms_receiver_status("id"),
    "get_zns_template": lambda client: client.get_zns_template("1", "2"),
    "get_balance": lambda client: client.get_balance(),
}


def echo(connection: Any, request: bytes) -> None:
    """Answers with everything it was sent, in several cases and escapes: the worst error message there could be."""
    # The worst first: only the beginning of the gateway's words is kept.
    said = " ".join(
        [
            *(API_KEY, SECRET_KEY.lower(), API_KEY.upper(), PHONE, f"+84{PHONE[1:]}"),
            request.decode(),
            *(spelling for key in (API_KEY, SECRET_KEY) for spelling in spellings_of_key(key)),
            *(spelling.upper() for key in (API_KEY, SECRET_KEY) for spelling in spellings_of_key(key)),
            *(spelling.lower() for key in (API_KEY, SECRET_KEY) for spelling in spellings_of_key(key)),
            *spellings_of_phone(PHONE),
        ]
    )
    code = "108"
    body = {"CodeResult": code, "CodeResponse": code, "Error": int(code), "ErrorMessage": said[:150_000]}
    connection.sendall(http_answer(json.dumps(body)))


@pytest.mark.parametrize("name", CALLS)
def test_echoed_request_leaks_no_key_or_phone(
    make_client: MakeClient, canary: Credentials, log: Any, name: str
) -> None:
    """Error, its attributes, its pickled copy, its traceback and the log are clean, though the answer is not."""
    with RawServer(echo) as server, pytest.raises(EsmsError) as caught:
        CALLS[name](make_client(server.base_url, credentials=canary))

    shown = "\n".join([*readings_of(caught.value), log.getvalue()])
    assert leaks_in(shown, (API_KEY, SECRET_KEY), [PHONE]) == []
    assert "***" in shown
    assert leaks_in(locals_of_ours(caught.value), (API_KEY, SECRET_KEY)) == []


@pytest.mark.parametrize("name", CALLS)
def test_frame_locals_contain_no_key(make_client: MakeClient, canary: Credentials, name: str) -> None:
    """Error trackers show the variables of every frame; ours have no key among them, also when nobody listens."""
    with RawServer(b"") as closed:
        base_url = closed.base_url
    with pytest.raises(EsmsError) as caught:
        CALLS[name](make_client(base_url, credentials=canary))

    assert caught.value.__cause__ is caught.value.__context__ is None
    assert leaks_in(locals_of_ours(caught.value), (API_KEY, SECRET_KEY)) == []


def test_invalid_xml_text_error_exposes_no_key(make_client: MakeClient, canary: Credentials) -> None:
    """The refusal comes before the keys stand in the document."""
    with pytest.raises(InvalidRequestError) as caught:
        make_client("http://127.0.0.1:9", credentials=canary).send_customer_care_sms_xml([PHONE], "a\x00b", "B")
    assert leaks_in(locals_of_ours(caught.value), (API_KEY, SECRET_KEY)) == []


def test_lone_surrogate_error_exposes_no_key(make_client: MakeClient, canary: Credentials) -> None:
    """A campaign with half an emoji is refused before any request is built."""
    with pytest.raises(InvalidRequestError) as caught:
        send_customer_care_sms(make_client("http://127.0.0.1:9", credentials=canary), campaign="x\ud83d")
    assert leaks_in("\n".join(readings_of(caught.value)), (API_KEY, SECRET_KEY)) == []
    assert leaks_in(locals_of_ours(caught.value), (API_KEY, SECRET_KEY)) == []


def test_urllib3_debug_logs_mask_keys_in_urls(make_client: MakeClient, canary: Credentials, log: Any) -> None:
    """urllib3 logs whole URLs, and three functions carry the keys there."""
    with RawServer(http_answer('{"CodeResponse":"100"}')) as server:
        make_client(server.base_url, credentials=canary).get_send_status("id")

    assert "GET /MainService.svc/json/GetSendStatus" in log.getvalue()
    assert leaks_in(log.getvalue(), (API_KEY, SECRET_KEY)) == []


def test_http_client_debug_output_exposes_no_key_or_phone(
    make_client: MakeClient, canary: Credentials, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The well-known global switch would print whole requests to the terminal."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with RawServer(http_answer('{"CodeResponse":"100"}')) as server:
        client = make_client(server.base_url, credentials=canary)
        client.get_send_status("id")
        for send in SENDS.values():
            with pytest.raises(EsmsError):
                send(make_client(server.base_url.replace(str(server.port), "9"), credentials=canary))

    printed = capsys.readouterr()
    assert leaks_in(printed.out + printed.err, (API_KEY, SECRET_KEY), [PHONE]) == []


def test_removed_log_filters_are_restored_before_the_next_call(
    make_client: MakeClient, canary: Credentials, log: Any
) -> None:
    """Filters that were removed are back before the next call."""
    for name in ("urllib3.connectionpool", "urllib3.connection"):
        logging.getLogger(name).filters.clear()
    with RawServer(http_answer('{"CodeResponse":"100"}')) as server:
        make_client(server.base_url, credentials=canary).get_send_status("id")
    assert leaks_in(log.getvalue(), (API_KEY, SECRET_KEY)) == []


def test_log_records_are_redacted_including_arguments_and_tracebacks(log: Any) -> None:
    """Arguments, exceptions and records that cannot be formatted."""
    logger = get_logger("esms_connectors.test")
    register_secret(API_KEY)
    try:
        raise ValueError(f"{API_KEY} {PHONE}")
    except ValueError:
        logger.exception("key %s of %s", API_KEY.lower(), {"phone": f"+84{PHONE[1:]}"})
    logger.info("%d of %s", "not a number", API_KEY)
    logger.info("%(api_key)s", {"api_key": API_KEY})

    assert "Traceback" in log.getvalue()
    assert leaks_in(log.getvalue(), [API_KEY], [PHONE]) == []


def test_repr_of_credentials_client_and_recipient_exposes_no_key_or_phone(
    make_client: MakeClient, canary: Credentials
) -> None:
    """Credentials, client, recipients and results; copies and pickles too."""
    client = make_client("http://127.0.0.1:9", credentials=canary)
    copies = [canary, copy.copy(canary), copy.deepcopy(canary), pickle.loads(pickle.dumps(canary))]
    shown = [f"{one!r} {one!s} {[one]} {vars(client)}" for one in copies]
    shown += [repr(client), repr(client._transport), repr(vars(client._transport))]
    shown += [repr(ZnsRecipient(PHONE, VALUES))]

    assert copies[0] == copies[1] == copies[2] == copies[3]
    assert leaks_in("\n".join(shown), (API_KEY, SECRET_KEY), [PHONE]) == []
    assert VALUES[0] not in "\n".join(shown)


def test_repr_of_results_exposes_no_phone_or_content(client: EsmsClient) -> None:
    """Every result of every function."""
    gateway_text = "Xin chao Nguyen Van A"
    client.send_customer_care_sms(PHONE, gateway_text, "Baotrixemay", callback_url="http://127.0.0.1:9/token")
    bulk = SENDS["send_zns_bulk"](client)
    page = client.get_sms_sent_data_page(NOON.subtract(hours=1), NOON.add(hours=1), 2)
    receivers = client.get_sms_receiver_status(page.messages[0].message_id or "")
    results = [bulk, bulk.rows, page, page.messages, receivers, client.get_balance()]

    shown = "\n".join(map(repr, results))
    assert page.messages[0].content == gateway_text
    assert leaks_in(shown, [], [PHONE]) == []
    assert gateway_text not in shown


def test_unpickled_credentials_are_masked_in_a_worker_process() -> None:
    """Task runners pickle credentials into processes in which nobody has made any."""
    program = (
        "import pickle, sys; from esms_connectors.gateway.redaction import redact\n"
        "pair = pickle.loads(sys.stdin.buffer.read())\n"
        "print(redact('the key is ' + pair.api_key))"
    )
    fresh = Credentials("FreshKeyOfAnotherProcess", "FreshSecretOfAnotherProcess")
    result = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(fresh), capture_output=True, timeout=240, check=True
    )
    assert result.stdout.decode().strip() == "the key is ***"


@pytest.mark.parametrize("key", [API_KEY, SECRET_KEY, "0123456789ABCDEF", "a'b\"c&d/e%f+g\\h"])
def test_every_encoding_of_a_key_is_masked(key: str) -> None:
    """Plain, percent-encoded once or twice, JSON, .NET's JSON, XML, HTML; in any letter case."""
    register_secret(key)
    for spelling in spellings_of_key(key):
        for text in (spelling, spelling.lower(), spelling.upper()):
            assert redact(f"ApiKey={text}&x") == "ApiKey=***&x"


@given(key=st.text("abcXYZ019+/=&%'\"\\;:?#@!~.-_", min_size=8, max_size=20))
def test_any_generated_key_is_masked_in_every_encoding(key: str) -> None:
    """Whatever characters a key has."""
    pattern = redaction._compile({key})
    for spelling in spellings_of_key(key):
        assert pattern.sub("***", f"<{spelling}>") == "<***>"


def test_key_with_a_registered_prefix_is_masked_completely() -> None:
    """The longer one is masked whole."""
    register_secret("PrefixKey1")
    register_secret("PrefixKey1AndATail")
    assert redact("PrefixKey1AndATail PrefixKey1") == "*** ***"


def test_short_key_is_masked_only_as_a_whole_word() -> None:
    """It may be part of ordinary words."""
    register_secret("Key7")
    assert redact("ApiKey=key7&Monkey77") == "ApiKey=***&Monkey77"


@pytest.mark.parametrize("spelling", sorted(spellings_of_phone(PHONE)))
def test_every_phone_format_is_masked(spelling: str) -> None:
    """In a sentence, a JSON text, an XML element, a URL and a form."""
    for around in ("phone {}.", '{{"Phone":"{}"}}', "<PHONE>{}</PHONE>", "?Phone={}&x=1", "Phone%3D{}%26", "a\\n{}\\n"):
        text = around.format(spelling)
        assert leaks_in(redact(text), [], [PHONE]) == [], redact(text)


@pytest.mark.parametrize(
    "text",
    [
        *("4097311281936189049", "1767678030984", "/Date(1705484048995+0700)/", "2024-05-15 09:00:00"),
        *("d41d8cd98f00b204e9800998ecf8427e", "8f3c0901888484ab", "code 124", "1000000 VND", "in 0.5 s, 10 of 500"),
        *("127.0.0.1:8089", "[10, 20, 30]", "0 rows", "airflow/visits/manual__2026-11-29T16:06:07.141800+00:00/send"),
    ],
)
def test_ids_and_other_numbers_are_not_masked(text: str) -> None:
    """Redaction must not eat what support asks for."""
    assert redact(text) == text


def test_mask_phone_keeps_prefix_and_last_two_digits() -> None:
    """A row can be recognised, a person cannot be called."""
    assert mask_phone("0901888484") == "090*****84"
    assert mask_phone("+84 901 888 484") == "+84 9** *** *84"
    assert mask_phone("0901") == mask_phone("") == "***"


@pytest.mark.parametrize(
    "spelling", ["+84 901 888 48", "0123 456 7890", "024 3812 3456", "0901888484x", "09018884840000"]
)
def test_invalid_phone_error_names_the_row_but_not_the_number(spelling: str) -> None:
    """Whoever reads the log sees which row it was, not whom it belongs to."""
    with pytest.raises(InvalidRequestError) as caught:
        normalise_phone(spelling, row=7)
    digits = "".join(filter(str.isdigit, spelling))
    shown = "".join(readings_of(caught.value)[:4])
    assert "row 7" in shown
    assert digits not in "".join(filter(str.isdigit, shown))


def test_error_messages_are_redacted_on_construction() -> None:
    """Whatever an author writes into a message."""
    register_secret(API_KEY)
    error = GatewayError(f"{API_KEY} {PHONE}", code="1", gateway_message=f"{API_KEY.upper()} {PHONE}")
    assert leaks_in("\n".join(readings_of(error)), [API_KEY], [PHONE]) == []


@pytest.mark.parametrize(
    "value", ["", " x", "x\n", "a b", "khoá", "<your key>", "{{ var.value.key }}", "$ESMS_API_KEY", None, 5, "a\x00b"]
)
def test_invalid_keys_are_rejected_without_exposing_them(value: Any) -> None:
    """Missing, padded, cut or never filled in: named by their place, not by their text."""
    for pair in ((value, "secret-value"), ("api-key-value", value)):
        with pytest.raises(EsmsError) as caught:
            Credentials(*pair)
        assert "Key" in str(caught.value)
        assert not value or len(str(value)) < 4 or str(value).strip() not in str(caught.value)
