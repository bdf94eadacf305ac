"""Messages to a short code: a partner's server reads them with the client, and answers."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest
from answering_server import Answer, answering

from esms_connectors import EsmsClient
from esms_connectors.emulator import Emulator
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.read_models import ShortcodeMessage
from esms_connectors.gateway.shortcode import shortcode_answer

TEXT = "DK Chị Hương <b> & con?"
GIVEN = {
    "sender": "84901888484",
    "content": TEXT,
    "serviceNumber": "8041",
    "keyword": "DK",
    "sign": "c2lnbg==",
    "cpid": "7",
    "smsid": "100001",
    "receiverTime": "20240515120000",
}


@pytest.mark.parametrize(("private_key", "signed"), [("k", True), ("another", False)])
def test_short_code_message_is_read_and_answered(
    gateway: Emulator, make_client: Callable[..., EsmsClient], private_key: str, signed: bool
) -> None:
    """With any letters, and whether it was signed with the key of this partner."""
    seen: list[ShortcodeMessage] = []
    client = make_client()

    def partner(target: str, _: bytes) -> Answer:
        message = client.receive_shortcode_message(target, private_key=private_key)
        seen.append(message)
        return Answer(200, shortcode_answer(message, f"Đã nhận: {message.content}").encode())

    with answering(partner) as address:
        reply = gateway.send_shortcode_message(
            f"{address}/receive_mo", "0901888484", TEXT, private_key="k", partner_id="7"
        )
    (message,) = seen
    assert (message.content, message.keyword, message.partner_id, message.signature_ok) == (TEXT, "DK", "7", signed)
    assert (message.phone, message.received_at) == ("84901888484", gateway.clock.now)
    assert (reply.message, reply.message_id) == (f"Đã nhận: {TEXT}", message.message_id)
    assert message.phone not in repr(message)
    assert TEXT not in repr(message)


@pytest.mark.parametrize("form", ["{}", "/receive_mo?{}", "https://partner.example/receive_mo?{}"])
def test_short_code_query_is_read_in_any_url_form(make_client: Callable[..., EsmsClient], form: str) -> None:
    """A question mark in the text ends nothing, sent as it is or as %3F."""
    for encode in (lambda text: quote(text), lambda text: quote(text, safe="?")):
        query = "&".join(f"{name}={encode(value)}" for name, value in GIVEN.items())
        message = make_client().receive_shortcode_message(form.format(query))
        assert (message.content, message.message_id, message.signature_ok) == (TEXT, "100001", None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"smsid": None}, "parameters has no smsid"),
        ({"receiverTime": "yesterday"}, "receiverTime must be yyyyMMddhhmmss"),
        ({"receiverTime": ""}, "receiverTime must be yyyyMMddhhmmss"),
    ],
)
def test_invalid_short_code_message_gives_an_error(
    make_client: Callable[..., EsmsClient], changes: dict[str, str | None], words: str
) -> None:
    """Anybody can call a server."""
    given = {name: value for name, value in {**GIVEN, **changes}.items() if value is not None}
    with pytest.raises(InvalidRequestError, match=words):
        make_client().receive_shortcode_message(urlencode(given), private_key="k")


def test_non_ascii_signature_is_reported_as_invalid(make_client: Callable[..., EsmsClient]) -> None:
    """And no error of Python's."""
    forged = {**GIVEN, "sign": "chữ ký"}
    assert make_client().receive_shortcode_message(forged, private_key="k").signature_ok is False
