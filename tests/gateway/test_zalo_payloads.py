"""What people get wrong about Zalo messages with elements and buttons: one line that names it, and nothing is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from esms_connectors import EsmsClient
from esms_connectors.emulator import DEMO_OA_ID, Emulator
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.zalo_payloads import ZaloButton

USER = "4097311281936189000"
LINK = ZaloButton("Xem", "oa.open.url", {"url": "https://example.vn"})
BILL = [{"type": "header", "content": "Hóa đơn"}]


def table(*rows: Any) -> list[dict[str, Any]]:
    return [{"type": "table", "content": list(rows)}]


@pytest.mark.parametrize(
    ("elements", "buttons", "words"),
    [
        ([], (), "elements is empty"),
        (5, (), "elements takes a list, not int"),
        ("header", (), "elements takes a list, not str"),
        (["header"], (), "element 1 is not an object"),
        ([{"content": "x"}], (), "element 1, type"),
        ([{"type": "header", "content": "x", "color": "red"}], (), "element 1 has 'color', unknown to header"),
        ([{"type": "header", "content": "x", 5: "red", "a": 1}], (), "element 1 has 5, unknown to header"),
        ([{"type": "text", "content": "x", "align": "top"}], (), "element 1, align"),
        ([{"type": "text", "content": 5}], (), "element 1, content must be text, not int"),
        ([{"type": "text", "content": "x" * 2001}], (), "has 2001 characters, at most 2000"),
        ([{"type": "banner", "image_url": "http://example.vn/a.png"}], (), "element 1, image_url"),
        (table(), (), "element 1 needs 1 to 5 rows"),
        ([{"type": "table", "content": 5}], (), "element 1 needs 1 to 5 rows"),
        (table({"key": "Mã"}), (), "a row of element 1 has key, value and perhaps style"),
        (table({"key": "Mã", "value": "1", "style": "pink"}), (), "element 1, style"),
        (table({"key": "Mã", "value": 1}), (), "element 1, value must be text"),
        (BILL, [LINK] * 5, "at most 4 are allowed, not 5"),
        (BILL, [{"title": "Xem"}], "button 1 is no ZaloButton"),
        (BILL, 5, "buttons takes a list"),
        (BILL, [ZaloButton("Xem", "oa.open.door", {})], "oa.open.url"),
        (BILL, [ZaloButton("Xem", "oa.open.url", "https://example.vn")], "needs as payload an object with url"),
        (BILL, [ZaloButton("Xem", "oa.query.show", {"url": "x"})], "needs as payload one text such as #eSMS"),
    ],
)
def test_invalid_transaction_payload_gives_one_line_error(
    make_client: Callable[..., EsmsClient], gateway: Emulator, elements: Any, buttons: Any, words: str
) -> None:
    """Of elements and of buttons."""
    with pytest.raises(InvalidRequestError) as error:
        make_client().send_zalo_transaction(USER, DEMO_OA_ID, "transaction_billing", elements, buttons=buttons)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert list(gateway.messages()) == []


@pytest.mark.parametrize(("buttons", "words"), [((), "buttons is empty"), (5, "buttons takes a list")])
def test_buttons_message_requires_a_list_with_buttons(
    make_client: Callable[..., EsmsClient], gateway: Emulator, buttons: Any, words: str
) -> None:
    """Or it is a text alone, of another function."""
    with pytest.raises(InvalidRequestError, match=words):
        make_client().send_zalo_consulting_buttons(USER, DEMO_OA_ID, "Chào chị", buttons)
    assert list(gateway.messages()) == []
