"""The text of an SMS for many: placeholders, accents, odd characters; judged by what the gateway got."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from esms_connectors import EsmsClient, InvalidRequestError
from esms_connectors.emulator import DEMO_BRANDNAME, Emulator
from esms_connectors.gateway.sms_text import describe
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Recipient
from esms_connectors.sending.bulk import send_bulk
from esms_connectors.sending.channels import AdvertisingChannel, CareSmsChannel

LONG = "Chào chị Hương, lịch hẹn gội đầu của chị lúc 9 giờ sáng mai ạ."
APART = unicodedata.normalize("NFD", LONG)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def send(
    client: EsmsClient, ledger: Ledger, text: str, params: Any = (), count: int = 1, *, advertising: bool = False
) -> None:
    rows = [Recipient(f"09018884{n:02}", params, f"09018884{n:02}", n + 1) for n in range(count)]
    channel = AdvertisingChannel if advertising else CareSmsChannel
    send_bulk(channel(client, text, DEMO_BRANDNAME), rows, ledger=ledger, run_key="texts")


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("Chào {Tên khách hàng}", "Tên khách hàng", "Chào Hà"),
        ("Chào { ten }", "ten", "Chào Hà"),
        ("Chào {ten-khach}", "ten-khach", "Chào Hà"),
        ("Chào {tên}", unicodedata.normalize("NFD", "tên"), "Chào Hà"),
        (unicodedata.normalize("NFD", "Chào {tên}"), "tên ", "Chào Hà"),
        ("{ten}{ten}, {{ten khác}}", "ten", "HàHà, {ten khác}"),
        ("{{{ten}}}", "ten", "{Hà}"),
        ("{1}", "1", "Hà"),
    ],
)
def test_placeholders_accept_any_param_name(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, text: str, name: str, told: str
) -> None:
    """As columns of spreadsheets have them."""
    send(client, ledger, text, {name: "Hà"})
    assert [message.content for message in gateway.messages()] == [told]


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    "text",
    ["Chào {ten", "ten}", "Chào {ten}}", "Chào {}", "Chào { }", "{{ten}", "{a{ten}}", "Chào {{ten}}", "{{ ten }}"],
)
def test_unmatched_or_doubled_braces_are_rejected(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, text: str
) -> None:
    """Nor a param in doubled braces, as other languages of templates write it."""
    with pytest.raises(InvalidRequestError, match=r"belongs to no|would be sent as"):
        send(client, ledger, text, {"ten": "Hà"}, count=3)
    assert gateway.message_count == 0


def test_unknown_param_is_rejected_before_sending(client: EsmsClient, gateway: Emulator, ledger: Ledger) -> None:
    """By position there are no names."""
    for params in ({"tên": "Hà"}, ("Hà",)):
        with pytest.raises(InvalidRequestError, match="no such param"):
            send(client, ledger, "Chào {ten}", params, count=3)
    assert gateway.message_count == 0


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("advertising", [False, True])
def test_decomposed_accents_in_the_text_are_composed(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, advertising: bool
) -> None:
    """One segment instead of two; and the same text in the other form is the same message."""
    for text in (APART, LONG):
        send(client, ledger, text, count=30, advertising=advertising)
    assert {message.content for message in gateway.messages()} == {LONG}
    assert set(gateway.deliveries_by_phone().values()) == {1}
    assert (describe(LONG).segments, describe(APART).segments) == (1, 2)


def test_decomposed_accent_in_a_value_is_composed_with_the_text(
    client: EsmsClient, gateway: Emulator, ledger: Ledger
) -> None:
    """Also where the accent begins the value and its letter ends the text before."""
    send(client, ledger, "Ha{x}", {"x": "\u0300"})
    assert [message.content for message in gateway.messages()] == ["Hà"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Xin\0chao", "control character"),
        ("Xin\x1b[31mchao", "control character"),
        ("Xin ch\ufffdo", "letters were lost"),
        ("Xin chÃ o quÃ½ khÃ¡ch", "decoded with another encoding"),
        ("Kính chào quyù khaùch Nguyeãn", "VNI"),
        (" \n ", "is empty"),
        ("Xin chao \ud83d", "half a character"),
    ],
)
def test_damaged_texts_are_rejected_before_sending(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, text: str, words: str
) -> None:
    """Of every kind of SMS, before anything is sent."""
    for advertising in (False, True):
        with pytest.raises(InvalidRequestError, match=words):
            send(client, ledger, text, count=30, advertising=advertising)
    assert gateway.message_count == 0


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("text", ["Ban khoe khong?Tra loi 1", "Ch? 12.000d", "A &amp; B", "a\nb", "x=y%41"])
def test_unusual_but_valid_text_is_sent_unchanged(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, text: str
) -> None:
    """A question mark without a blank behind it is no lost letter here."""
    send(client, ledger, text)
    assert [message.content for message in gateway.messages()] == [text]
