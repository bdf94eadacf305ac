"""What a warehouse was told not to keep is nowhere in it, and a person can be taken out of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from disturbing_gateway import DAY, NEXT
from pulling_bench import HISTORY, KINDS, LOADS, MESSAGES, Load, Place, rows_at

from esms_connectors import ConfigurationError
from esms_connectors.emulator import Emulator
from esms_connectors.gateway.redaction import mask_phone
from esms_connectors.warehouse import Privacy, erase_phone, open_warehouse
from esms_connectors.warehouse.privacy import PhoneForm

SECRET, OTHER_SECRET = "giữ-kín-lâu-dài", "noch-geheimer"
PRIVATE = (PhoneForm.HASHED, PhoneForm.MASKED, PhoneForm.OMITTED)
ALICE, BOB = "0901888484", "0912345678"
TYPES = (1, 25)


def privacy_of(form: PhoneForm, **more: Any) -> Privacy:
    return Privacy(form, **{"secret": None if form is PhoneForm.PLAIN else SECRET, "content": False, **more})


def fill(gateway: Emulator) -> None:
    """Advertising that shares message ids, care and ZNS; two people with messages of each kind."""
    for sms_type in TYPES:
        gateway.populate(240, start=DAY, end=NEXT.subtract(seconds=2), sms_type=sms_type)
        for phone in (ALICE, BOB):
            gateway.insert_message(DAY.add(hours=3), phone=phone, sms_type=sms_type, send_status=7, send_result=2)


def raw_bytes(place: Place) -> bytes:
    """Of all files of a place that has files."""
    if place.kind == "postgresql":
        return b""
    at = Path(place.address.removeprefix("duckdb:///"))
    files = [at] if at.is_file() else [path for path in at.rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files)


# Phones are changed before rows reach a place, so each place has one form, and each form the place with most files.
@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("place", "form"),
    [*(("duckdb", form) for form in PRIVATE), *((kind, PhoneForm.HASHED) for kind in KINDS[1:])],
    indirect=["place"],
)
def test_warehouse_with_privacy_stores_no_plain_phone_or_text(
    gateway: Emulator, place: Place, load: Load, form: PhoneForm
) -> None:
    fill(gateway)
    summary = load(place, sms_types=TYPES, privacy=privacy_of(form))
    truth = rows_at(gateway)
    assert summary.inserted == len(truth) == 484
    said, stored = place.values(), raw_bytes(place)
    for phone in {phone for _, phone in truth}:
        assert phone not in said
        assert phone[1:] not in said
        assert phone.encode() not in stored
    for text in {facts[2] for facts in truth.values()}:
        assert text not in said
        assert text.encode() not in stored
    assert SECRET not in said
    assert SECRET.encode() not in stored
    rows = place.read(MESSAGES)
    # Who shares an id is still told apart, and everything but the phone is as it was.
    assert len({row["row_key"] for row in rows}) == len(truth)
    assert Counter((row["message_id"], row["send_status"], row["send_result"]) for row in rows) == Counter(
        (message_id, facts[3], facts[4]) for (message_id, _), facts in truth.items()
    )
    phones = Counter(row["phone"] for row in rows)
    match form:
        case PhoneForm.HASHED:
            assert sorted(phones.values()) == sorted(Counter(phone for _, phone in truth).values())
        case PhoneForm.MASKED:
            assert phones == Counter(mask_phone(phone) for _, phone in truth)
        case _:
            assert phones == {None: 484}
    gateway.advance(minutes=1)
    assert load(place, sms_types=TYPES, privacy=privacy_of(form)).unchanged == 484


@pytest.mark.in_turn
def test_privacy_check_finds_plain_phones_and_texts(gateway: Emulator, place: Place, load: Load) -> None:
    """A test of the test above."""
    gateway.insert_message(DAY.add(hours=3), phone=ALICE, content="Xin chào", send_status=5, send_result=1)
    load(place, privacy=Privacy())
    assert ALICE in place.values()
    assert "Xin chào" in place.values()


@pytest.mark.in_turn
def test_generated_ids_and_digests_depend_on_the_privacy_secret(gateway: Emulator, make_place: Any, load: Load) -> None:
    """Both come from the phone; unkeyed, trying all phones would find it. With another secret they are others."""
    gateway.insert_message(DAY.add(hours=3), phone=ALICE, send_status=7, send_result=2)
    gateway.quirks.missing_members = ("ReferenceId",)
    seen = []
    for number, privacy in enumerate(
        (Privacy(), privacy_of(PhoneForm.OMITTED), privacy_of(PhoneForm.OMITTED, secret=OTHER_SECRET))
    ):
        place = make_place("duckdb")
        place = Place("duckdb", place.address + f"-{number}.duckdb", place.read)
        load(place, privacy=privacy)
        with open_warehouse(place.address) as warehouse:
            [line] = [line for line in warehouse.loads() if line.row_count]
            with duckdb.connect(warehouse.name, read_only=True) as connection:
                [(message_id,)] = connection.execute(f"SELECT message_id FROM {MESSAGES}").fetchall()
            seen.append((message_id, line.digest))
            gateway.advance(minutes=1)
            assert load(place, privacy=privacy).unchanged == 1
            assert erase_phone(warehouse, ALICE, privacy)[MESSAGES] == 1
    assert all(message_id.startswith("unnamed-") for message_id, _ in seen)
    assert len({message_id for message_id, _ in seen}) == len({digest for _, digest in seen}) == 3


# One statement finds it, in each place.
@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("place", "other"),
    [
        ("duckdb", Privacy()),
        ("duckdb", privacy_of(PhoneForm.MASKED)),
        *((kind, privacy_of(PhoneForm.HASHED, secret=OTHER_SECRET)) for kind in KINDS),
        ("duckdb", privacy_of(PhoneForm.HASHED, content=True)),
    ],
    ids=["plain", "masked", *(f"another secret, {kind}" for kind in KINDS), "with texts"],
    indirect=["place"],
)
def test_changed_privacy_setting_is_rejected_before_any_request(
    gateway: Emulator, place: Place, load: Load, other: Privacy
) -> None:
    fill(gateway)
    load(place, sms_types=[1], privacy=privacy_of(PhoneForm.HASHED))
    before = place.values()
    calls = gateway.call_count("get_sms_sent_data")
    with pytest.raises(ConfigurationError, match="a warehouse uses one setting") as failure:
        load(place, sms_types=[25], privacy=other)
    assert "\n" not in str(failure.value)
    assert SECRET not in str(failure.value)
    assert sorted(place.values().split("\n")) == sorted(before.split("\n"))
    assert gateway.call_count("get_sms_sent_data") == calls


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("kind", "form"),
    [*(("duckdb", form) for form in PhoneForm)]
    + [(kind, form) for kind in KINDS[1:] for form in (PhoneForm.HASHED, PhoneForm.OMITTED)],
)
def test_erasing_removes_one_person_and_their_history(
    gateway: Emulator, make_place: Any, load: Load, kind: str, form: PhoneForm
) -> None:
    place, privacy = make_place(kind), privacy_of(form)
    fill(gateway)
    load(place, sms_types=TYPES, privacy=privacy)
    for message in list(gateway.messages()):
        if message.phone in (ALICE, BOB):
            gateway.set_status(message.message_id, 5, 1, phone=message.phone)
    gateway.advance(minutes=1)
    assert load(place, sms_types=TYPES, privacy=privacy).changed == 4
    loads = place.loads()
    with open_warehouse(place.address) as warehouse:
        assert erase_phone(warehouse, "+84 901 888 484", privacy) == {MESSAGES: 2, HISTORY: 2}
        assert erase_phone(warehouse, ALICE, privacy) == {MESSAGES: 0, HISTORY: 0}
    assert place.loads() == loads
    assert Counter(row["message_id"] for row in place.read(MESSAGES)) == Counter(
        message_id for message_id, phone in rows_at(gateway) if phone != ALICE
    )
    assert len(place.read(HISTORY)) == 2
    gateway.advance(minutes=1)
    assert load(place, sms_types=TYPES, privacy=privacy).inserted == 2


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "other", [Privacy(), privacy_of(PhoneForm.MASKED), privacy_of(PhoneForm.HASHED, secret=OTHER_SECRET)]
)
def test_erasing_with_another_form_or_secret_is_refused(
    gateway: Emulator, duckdb_only: Place, load: Load, other: Privacy
) -> None:
    """Nobody would be found, and nobody should believe that there was nobody."""
    fill(gateway)
    load(duckdb_only, sms_types=[1], privacy=privacy_of(PhoneForm.HASHED))
    with (
        open_warehouse(duckdb_only.address) as warehouse,
        pytest.raises(ConfigurationError, match="stores phones differently"),
    ):
        erase_phone(warehouse, ALICE, other)
    # Texts say nothing about who is who.
    with open_warehouse(duckdb_only.address) as warehouse:
        assert erase_phone(warehouse, ALICE, privacy_of(PhoneForm.HASHED, content=True))[MESSAGES] == 1


def test_erasing_from_an_empty_warehouse_is_refused(place: Place) -> None:
    with open_warehouse(place.address) as warehouse, pytest.raises(ConfigurationError, match="Nothing was ever loaded"):
        erase_phone(warehouse, ALICE, Privacy())
    assert place.read(LOADS) == []
