"""A personalised SMS from a table: placeholders by column name, segments, plain text, plan and send alike."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from esms_connectors import EsmsClient, InvalidRequestError
from esms_connectors.emulator import DEMO_BRANDNAME, Emulator
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Columns
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels import CareSmsChannel

ROWS = [{"phone": f"090188848{n}", "Tên khách hàng": name} for n, name in enumerate(("Hà", "Nguyễn Thị Hương"))]


@pytest.fixture
def campaign(client: EsmsClient, tmp_path: Path) -> Iterator[Callable[..., Campaign]]:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:

        def make(text: str, source: Any = ROWS, params: Any = (), **more: Any) -> Campaign:
            channel = CareSmsChannel(client, text, DEMO_BRANDNAME, **more)
            return Campaign(channel, source, Columns(params=params), ledger=ledger, run_key="march")

        yield make


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Chào {Tên khách hàng}", "Chào Hà"),
        ("Chào { tên  KHÁCH hàng }", "Chào Hà"),
        (unicodedata.normalize("NFD", "Chào {tên khách hàng}"), "Chào Hà"),
        ("{{Mã}} {Tên khách hàng}", "{Mã} Hà"),
        ("Chao ban", "Chao ban"),
    ],
)
def test_placeholders_are_filled_from_columns(
    campaign: Callable[..., Campaign], gateway: Emulator, tmp_path: Path, text: str, told: str
) -> None:
    """With blanks and accents, in any case, of a list or a file with letters in pieces; doubled braces are braces."""
    path = tmp_path / "people.csv"
    lines = ["phone,Tên khách hàng", *(",".join(row.values()) for row in ROWS)]
    path.write_text(unicodedata.normalize("NFD", "\n".join(lines)), "utf-8")
    for source in (ROWS, path):
        assert campaign(text, source).send().accepted == 2
    assert next(message.content for message in gateway.messages()) == told
    assert gateway.message_count == 2


@pytest.mark.parametrize(
    ("text", "params", "words"),
    [
        ("Chào {ten}", (), r"\{ten\}, which is not a column of the source. It has: phone, Tên khách hàng"),
        ("Chào {", (), "belongs to no"),
        ("Chào {}", (), "belongs to no"),
        ("Chào {ten}", {"name": "phone"}, "not a column|no {name}"),
        ("Chào {ten}", ("Tên khách hàng",), "by name"),
    ],
)
def test_invalid_placeholder_is_rejected_before_sending(
    campaign: Callable[..., Campaign], gateway: Emulator, text: str, params: Any, words: str
) -> None:
    """Told before the first message, with the columns that there are."""
    with pytest.raises(InvalidRequestError, match=words):
        campaign(text, params=params).send()
    assert gateway.message_count == 0


def test_ambiguous_column_case_requires_an_exact_match(campaign: Callable[..., Campaign]) -> None:
    """The one that is written the same is meant; else nobody knows which."""
    rows = [{"phone": "0901888484", "Ten": "A", "TEN": "B"}]
    with pytest.raises(InvalidRequestError, match="more than one column: Ten, TEN"):
        campaign("Chao {ten}", rows).plan()
    assert campaign("Chao {TEN}", rows).plan().to_send == 1


def test_placeholder_can_be_mapped_to_another_column(campaign: Callable[..., Campaign], gateway: Emulator) -> None:
    """By `params`, as for a template."""
    assert campaign("Chào {ten}", params={"ten": "Tên khách hàng"}).send().accepted == 2
    assert "Chào Hà" in [message.content for message in gateway.messages()]


def test_plain_text_is_planned_and_sent_without_diacritics(
    campaign: Callable[..., Campaign], gateway: Emulator
) -> None:
    """Values too; what the plan counts is what is sent."""
    text = "Chào {Tên khách hàng}, " + "a" * 80
    assert campaign(text).plan().segments == 4
    plan = campaign(text, plain=True).plan()
    assert (plan.segments, plan.unicode_messages) == (2, 0)
    campaign(text, plain=True).send(plan)
    sent = [message.content for message in gateway.messages()]
    assert sent[0].startswith("Chao Ha, ")
    assert all(content.isascii() for content in sent)
