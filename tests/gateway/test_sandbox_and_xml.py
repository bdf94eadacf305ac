"""The sandbox sends nothing, and the XML route loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from samples import ADVERTISING_PHONES, ANOTHER_PHONE, KEYED_SENDS, PARAMS, PHONE, SENDS, VALUES, send_customer_care_sms

from esms_connectors import BulkSubmission, ConfigurationError, Credentials, EsmsClient, InvalidRequestError, SmsType
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.gateway import wire
from esms_connectors.gateway.client import sandbox_from_text

MakeClient = Callable[..., EsmsClient]


@pytest.mark.parametrize("name", KEYED_SENDS)
def test_sandbox_send_succeeds_without_storing_a_message(gateway: Emulator, make_client: MakeClient, name: str) -> None:
    """The flag is spelled right for each function: the answer is a success, and no message exists."""
    result = KEYED_SENDS[name](make_client(sandbox=True))

    assert result.sandbox
    assert isinstance(result, BulkSubmission) or result.message_id
    assert (gateway.call_count(name), gateway.message_count) == (1, 0)


@pytest.mark.parametrize("name", SENDS)
def test_send_without_sandbox_stores_one_message_per_phone(
    gateway: Emulator, make_client: MakeClient, name: str
) -> None:
    """The same call without the flag is real."""
    assert not SENDS[name](make_client()).sandbox
    assert set(gateway.deliveries_by_phone().values()) == {1}


@pytest.mark.parametrize("sms_type", [SmsType.CUSTOMER_CARE, SmsType.ADVERTISING])
def test_xml_send_is_rejected_in_sandbox(gateway: Emulator, make_client: MakeClient, sms_type: SmsType) -> None:
    """It has no sandbox flag and would send for real."""
    with pytest.raises(InvalidRequestError) as caught:
        make_client(sandbox=True).send_customer_care_sms_xml(ADVERTISING_PHONES, "x", DEMO_BRANDNAME, sms_type=sms_type)
    assert (caught.value.field, gateway.call_count("send_customer_care_sms_xml")) == ("sandbox", 0)


@pytest.mark.parametrize("value", [1, 0, "1", "true", "false", None, "", [], object()])
def test_sandbox_setting_must_be_a_bool(value: Any) -> None:
    """1 and "false" are refused: guessing wrong sends for real."""
    with pytest.raises(ConfigurationError):
        EsmsClient(Credentials("key-of-sandbox", "secret-of-sandbox"), sandbox=value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((one, True) for one in ("1", "true", "TRUE", " yes ", "on", "On\n")),
        *((one, False) for one in ("", " ", "0", "false", "False", "no", "OFF")),
        *((one, None) for one in ("2", "-1", "y", "t", "ja", "enabled", "sandbox", "true;", "1.0", "None", "null")),
    ],
)
def test_sandbox_environment_variable_is_parsed_strictly(
    text: str, expected: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word that might mean either is refused."""
    monkeypatch.setenv("ESMS_API_KEY", "key-of-sandbox")
    monkeypatch.setenv("ESMS_SECRET_KEY", "secret-of-sandbox")
    monkeypatch.setenv("ESMS_SANDBOX", text)
    if expected is None:
        with pytest.raises(ConfigurationError):
            EsmsClient.from_env()
    else:
        assert EsmsClient.from_env().sandbox is sandbox_from_text(text) is expected


# --- XML -------------------------------------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    "content",
    [
        "Tom & Jerry < 5 > 3 \"quoted\" 'single'",
        "]]> <![CDATA[x]]> <!-- x --> <?x?> &amp; &#65; %41",
        "</CONTENT><CONTACTS><CUSTOMER><PHONE>0999999999</PHONE></CUSTOMER></CONTACTS><CONTENT>",
        "Cảm ơn quý khách Nguyễn Thị Ánh Tuyết đã sử dụng dịch vụ",
        "Chúc mừng 🎉👩‍👩‍👧 năm mới",
        "tab\tand\nline",
        "x \u2028 \x85 \xa0 x",
        "{}$%s\\n",
    ],
)
@pytest.mark.parametrize("sms_type", [SmsType.CUSTOMER_CARE, SmsType.ADVERTISING])
def test_xml_content_arrives_unchanged(gateway: Emulator, client: EsmsClient, content: str, sms_type: SmsType) -> None:
    """Nothing breaks out of its element, nothing is lost, for one phone or thirty."""
    client.send_customer_care_sms_xml(ADVERTISING_PHONES, content, DEMO_BRANDNAME, sms_type=sms_type)

    assert {message.content for message in gateway.messages()} == {content}
    assert {message.sms_type for message in gateway.messages()} == {sms_type.value}
    assert sorted(gateway.deliveries_by_phone()) == ADVERTISING_PHONES


@pytest.mark.parametrize(("content", "arrives"), [("a\r\nb", "a\nb"), ("a\rb", "a\nb"), ("a\n\rb", "a\n\nb")])
def test_carriage_returns_become_line_feeds(gateway: Emulator, client: EsmsClient, content: str, arrives: str) -> None:
    """As every XML reader would read them."""
    client.send_customer_care_sms_xml([PHONE], content, DEMO_BRANDNAME)
    assert [message.content for message in gateway.messages()] == [arrives]


@pytest.mark.parametrize(
    ("character", "name"),
    [
        *(("\x00", "U+0000 NUL"), ("\x08", "U+0008 BS"), ("\x0b", "U+000B VT"), ("\x0c", "U+000C FF")),
        *(("\x1b", "U+001B ESC"), ("\x1f", "U+001F US"), ("\ufffe", "U+FFFE"), ("\uffff", "U+FFFF")),
    ],
)
def test_characters_invalid_in_xml_are_rejected_by_name(
    gateway: Emulator, client: EsmsClient, character: str, name: str
) -> None:
    """Which character, where; nothing is sent."""
    with pytest.raises(InvalidRequestError) as caught:
        client.send_customer_care_sms_xml([PHONE], f"Xin{character}chao", DEMO_BRANDNAME)
    assert (name in str(caught.value), "position 3" in str(caught.value)) == (True, True)
    assert (caught.value.field, gateway.call_count("send_customer_care_sms_xml")) == ("content", 0)


@pytest.mark.parametrize("name", SENDS)
def test_lone_surrogate_is_rejected_by_every_send(gateway: Emulator, client: EsmsClient, name: str) -> None:
    """A text that was cut inside a character cannot be sent by any function."""
    half = "Xin chao \ud83d"
    sends: dict[str, Callable[[], Any]] = {
        "send_customer_care_sms": lambda: client.send_customer_care_sms(PHONE, half, DEMO_BRANDNAME),
        "send_customer_care_sms_xml": lambda: client.send_customer_care_sms_xml([PHONE], half, DEMO_BRANDNAME),
        "send_advertising_sms": lambda: client.send_advertising_sms(ADVERTISING_PHONES, half, DEMO_BRANDNAME),
        "send_zns": lambda: client.send_zns(PHONE, DEMO_TEMPLATE_ID, DEMO_OA_ID, {**PARAMS, "code": half}),
        "send_zns_journey": lambda: client.send_zns_journey(PHONE, "1", DEMO_OA_ID, [half], "o"),
        "send_zns_bulk": lambda: KEYED_SENDS["send_zns_bulk"](client, campaign=half),
    }
    with pytest.raises(InvalidRequestError, match="half a character"):
        sends[name]()
    assert gateway.call_count(name) == 0


@pytest.mark.in_turn(every=3)
@given(
    content=st.text(min_size=1, max_size=60).filter(lambda text: text.strip()),
    phones=st.lists(st.just(PHONE), max_size=3),
)
def test_xml_body_round_trips_any_valid_text(content: str, phones: list[str]) -> None:
    """Any text: either refused by name, or the same after an XML reader."""
    try:
        wire.check_xml({"CONTENT": content})
    except InvalidRequestError:
        return
    document = ElementTree.fromstring(wire.xml_body([("APIKEY", "a&b<c"), ("CONTENT", content)], phones))
    assert document.findtext("APIKEY") == "a&b<c"
    assert document.findtext("CONTENT") == content.replace("\r\n", "\n").replace("\r", "\n")
    assert [phone.text for phone in document.iterfind("CONTACTS/CUSTOMER/PHONE")] == phones


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    ("route", "sms_type", "count", "allowed"),
    [
        *(("xml", SmsType.CUSTOMER_CARE, count, allowed) for count, allowed in ((0, False), (1, True))),
        *(("xml", SmsType.CUSTOMER_CARE, count, allowed) for count, allowed in ((5000, True), (5001, False))),
        *(("xml", SmsType.ADVERTISING, count, allowed) for count, allowed in ((29, False), (30, True))),
        *(("xml", SmsType.ADVERTISING, count, allowed) for count, allowed in ((5000, True), (5001, False))),
        *(("json", SmsType.ADVERTISING, count, allowed) for count, allowed in ((29, False), (30, True))),
        *(("json", SmsType.ADVERTISING, count, allowed) for count, allowed in ((5000, True), (5001, False))),
    ],
)
def test_phone_list_limits_are_enforced(
    gateway: Emulator, client: EsmsClient, route: str, sms_type: SmsType, count: int, allowed: bool
) -> None:
    """30 to 5000 for advertising on either route, at least one for customer care."""
    phones = [f"0901{number:06}" for number in range(count)]

    def send() -> Any:
        if route == "json":
            return client.send_advertising_sms(phones, "x", DEMO_BRANDNAME)
        return client.send_customer_care_sms_xml(phones, "x", DEMO_BRANDNAME, sms_type=sms_type)

    if allowed:
        send()
        assert len(gateway.deliveries_by_phone()) == gateway.message_count == count
    else:
        with pytest.raises(InvalidRequestError) as caught:
            send()
        assert (caught.value.field, gateway.message_count) == ("phones", 0)


@pytest.mark.parametrize("twice", ["0901888484", "84901888484", "+84 901 888 484", "901888484", "+84 (0)901.888.484"])
def test_duplicate_phone_in_another_format_is_rejected(gateway: Emulator, client: EsmsClient, twice: str) -> None:
    """Another spelling of the same number is the same number."""
    for send in (
        lambda: client.send_customer_care_sms_xml([PHONE, ANOTHER_PHONE, twice], "x", DEMO_BRANDNAME),
        lambda: client.send_advertising_sms([PHONE, ANOTHER_PHONE, twice, *ADVERTISING_PHONES[:30]], "x", "B"),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            send()
        assert (caught.value.row, gateway.message_count) == (2, 0)


@pytest.mark.parametrize("sms_type", [1, 2])
def test_sms_type_is_accepted_as_a_number_with_its_limits(gateway: Emulator, client: EsmsClient, sms_type: Any) -> None:
    """1 and 2 are what they are to the gateway, limits included."""
    with pytest.raises(InvalidRequestError) if sms_type == 1 else nullcontext():
        client.send_customer_care_sms_xml([PHONE], "x", DEMO_BRANDNAME, sms_type=sms_type)
    assert gateway.message_count == sms_type - 1


# --- other arguments -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"request_id": ""}, "request_id"),
        ({"request_id": "x" * 51}, "request_id"),
        ({"request_id": "a b"}, "request_id"),
        ({"request_id": "mã"}, "request_id"),
        ({"request_id": "a\n"}, "request_id"),
        ({"request_id": 5}, "request_id"),
        ({"campaign": ""}, "campaign"),
        ({"campaign": "x" * 255}, "campaign"),
        ({"campaign": " x"}, "campaign"),
        ({"callback_url": "ftp://x"}, "callback_url"),
        ({"callback_url": "https://x/?a=1"}, "callback_url"),
        ({"callback_url": "https://[x"}, "callback_url"),
        ({"callback_url": "x"}, "callback_url"),
        ({"send_at": "2024-05-15 12:00:00"}, "send_at"),
        ({"send_at": datetime(2024, 5, 15)}, "send_at"),
    ],
)
def test_invalid_options_are_rejected_without_sending(
    gateway: Emulator, client: EsmsClient, options: dict[str, Any], field: str
) -> None:
    """One clear line, nothing sent."""
    with pytest.raises(InvalidRequestError) as caught:
        send_customer_care_sms(client, **options)
    assert caught.value.field == field
    assert "\n" not in str(caught.value)
    assert gateway.call_count("send_customer_care_sms") == 0


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("send_customer_care_sms", ("0243812345", "x", "B"), "phone"),
        ("send_customer_care_sms", (None, "x", "B"), "phone"),
        ("send_customer_care_sms", (PHONE, "", "B"), "content"),
        ("send_customer_care_sms", (PHONE, " \n", "B"), "content"),
        ("send_customer_care_sms", (PHONE, None, "B"), "content"),
        ("send_customer_care_sms", (PHONE, "x", ""), "brandname"),
        ("send_customer_care_sms", (PHONE, "x", "B "), "brandname"),
        ("send_customer_care_sms", (PHONE, "x", "a\nb"), "brandname"),
        ("send_customer_care_sms_xml", (PHONE, "x", "B"), "phones"),
        ("send_advertising_sms", (PHONE, "x", "B"), "phones"),
        ("send_zns", (PHONE, 267247, DEMO_OA_ID, PARAMS), "template_id"),
        ("send_zns", (PHONE, DEMO_TEMPLATE_ID, 4097311281936189049, PARAMS), "oa_id"),
        ("send_zns", (PHONE, DEMO_TEMPLATE_ID, DEMO_OA_ID, VALUES), "template_params"),
        ("send_zns", (PHONE, DEMO_TEMPLATE_ID, DEMO_OA_ID, {"code": None}), "code"),
        ("send_zns", (PHONE, DEMO_TEMPLATE_ID, DEMO_OA_ID, {"code": 1.5}), "code"),
        ("send_zns", (PHONE, DEMO_TEMPLATE_ID, DEMO_OA_ID, {"code": True}), "code"),
        ("send_zns_journey", (PHONE, "1", DEMO_OA_ID, "abc", "o"), "template_params"),
        ("send_zns_journey", (PHONE, "1", DEMO_OA_ID, PARAMS, "o"), "template_params"),
        ("send_zns_journey", (PHONE, "1", DEMO_OA_ID, ["a"], ""), "order_id"),
        ("get_send_status", ("",), "message_id"),
        ("get_send_status", (5,), "message_id"),
        ("get_callback_data", ("abc", DEMO_OA_ID), "message_ids"),
        ("get_callback_data", ([""], DEMO_OA_ID), "message_id"),
    ],
)
def test_invalid_arguments_are_rejected_without_calling_the_gateway(
    gateway: Emulator, client: EsmsClient, name: str, arguments: tuple[Any, ...], field: str
) -> None:
    """By their name in this package; the gateway is not asked."""
    with pytest.raises(InvalidRequestError) as caught:
        getattr(client, name)(*arguments)
    assert caught.value.field == field
    assert gateway.call_count(name) == 0


@pytest.mark.in_turn(every=3)
@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.text(min_size=1, max_size=80).filter(lambda text: text.strip() == text))
def test_json_content_arrives_unchanged(gateway: Emulator, client: EsmsClient, content: str) -> None:
    """Every text that can be encoded at all, over the socket."""
    message_id = client.send_customer_care_sms(PHONE, content, DEMO_BRANDNAME).message_id
    assert gateway.message(message_id or "").content == content
