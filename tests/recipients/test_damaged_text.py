"""Text that was damaged on its way here is refused, and what only looks odd is taken."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate, ZnsTemplateParam
from esms_connectors.recipients import Columns, ReadReport, read_recipients
from esms_connectors.recipients.damage import damage_of

NAME = Columns(params=("name",))
TEMPLATE = ZnsTemplate(
    "267247", "t", "ENABLE", (ZnsTemplateParam("name", True, False, None, 90, "STRING"),), None, None, None, None, None
)
GOOD = [
    "Nguyễn Chị Hương",
    "Gội đầu",
    "Trần Đình Ước",
    "Lê Thị Quý",
    "Bùi Ngọc Ánh",
    "Hà Nội",
    "Phường Đống Đa",
    "Hẹn lúc 9 giờ",
    "Đặng",
    "Huỳnh",
    "Phạm Văn Đồng",
    "Võ Thị Sáu",
    "Trịnh",
    "Cần Thơ",
    "Đà Nẵng",
]


def outcome(value: object, template: ZnsTemplate | None = None) -> tuple[str, ...]:
    """The value as it would be sent, or why it would not."""
    report = ReadReport()
    people = list(read_recipients([{"phone": "0901888484", "name": value}], NAME, report=report, template=template))
    if people:
        return people[0].template_params
    return tuple(reason for _, reason in report.rejected_by)


def misread(text: str, encoding: str) -> str:
    """The bytes of UTF-8 taken for another encoding, as Excel and databases do."""
    return "".join(bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in text.encode())


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("text", GOOD)
@pytest.mark.parametrize("encoding", ["cp1252", "cp1258", "mac_roman", "latin-1"])
def test_utf_8_decoded_with_another_encoding_is_rejected(text: str, encoding: str) -> None:
    """`Nguyá»…n`, once or twice, alone or beside text that is right."""
    once = misread(text, encoding)
    for damaged in (once, f"Chị {once}", unicodedata.normalize("NFC", once)):
        assert outcome(damaged) == ("has UTF-8 that was decoded with another encoding",)
    assert outcome(misread(once, encoding)) != (misread(once, encoding),)


@pytest.mark.parametrize("text", GOOD)
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp1258"])
def test_question_marks_in_place_of_letters_are_rejected(text: str, encoding: str) -> None:
    """What a database in another alphabet puts for letters that it has not."""
    damaged = text.encode(encoding, "replace").decode(encoding)
    if damaged != text:
        assert outcome(damaged) == ("has ? where letters were lost",)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("Nguy\ufffdn Ch\ufffd", "has � where letters were lost"),
        ("???", "has ? where letters were lost"),
        ("NguyÔn V¨n Hïng", "is written in TCVN3 (.VnTime fonts), not in Unicode"),
        ("NguyÔn", "is written in TCVN3 (.VnTime fonts), not in Unicode"),
        ("Géi ®Çu", "is written in TCVN3 (.VnTime fonts), not in Unicode"),
        ("Hµ", "is written in TCVN3 (.VnTime fonts), not in Unicode"),
        ("TrÇn", "is written in TCVN3 (.VnTime fonts), not in Unicode"),
        ("Nguyeãn Vaên Huøng", "is written in VNI, not in Unicode"),
        ("Goäi ñaàu", "is written in VNI, not in Unicode"),
        ("Vaên", "is written in VNI, not in Unicode"),
        ("Nguyeăn", "is written in VNI, not in Unicode"),
        ("Ñoàn", "is written in VNI, not in Unicode"),
        ("Nguy&#7877;n", "has escaped letters, as in HTML or JSON"),
        ("H&agrave;", "has escaped letters, as in HTML or JSON"),
        ("Nguy\\u1ec5n", "has escaped letters, as in HTML or JSON"),
        ("H%C3%A0", "has escaped letters, as in HTML or JSON"),
        ("H=C3=A0", "has escaped letters, as in HTML or JSON"),
        ("Hà_x000D_", "has escaped letters, as in HTML or JSON"),
        ("Hà \ue012", "has a character of a private font"),
        ("A\0B", "has a control character"),
        ("A\x1b[31mB", "has a control character"),
        ("A\x7fB", "has a control character"),
        ("#N/A", "is a spreadsheet error"),
        ("nan", "is a word for a missing value"),
        ("None", "is a word for a missing value"),
        ("{{ customer_name }}", "is a placeholder that was never filled in"),
        ("{ten}", "is a placeholder that was never filled in"),
        ("${ten}", "is a placeholder that was never filled in"),
    ],
)
def test_damaged_texts_are_rejected_with_a_specific_reason(value: str, reason: str) -> None:
    """One that can be counted, and searched for."""
    assert outcome(value) == outcome(value, TEMPLATE) == (reason,)


@pytest.mark.parametrize(
    "value",
    [
        "Müller",
        "François",
        "Gaël",
        "Zoë",
        "Raúl",
        "Saïd",
        "Nuñez",
        "Håkan",
        "Søren",
        "Björn",
        "Ångström",
        "Noël",
        "Chloé",
        "José",
        "Crème brûlée",
        "naïve",
        "Jalapeño",
        "Zürich",
        "São Paulo",
        "João",
        "Conceição",
        "Ragoût",
        "Août",
        "100m²",
        "25°C",
        "© 2024",
        "Vinamilk® mới",
        "½ kg",
        "T·H",
        "Có khỏe không?",
        "OK? Yes",
        "Sao ?",
        "Thật á??",
        "https://a.vn/x?id=1&b=2",
        "a@b.vn?",
        "XÔ”Í",
        "“PHƯỜNG, XÃ”",
        "Chị Hà – Q1",
        "50%",
        "#1",
        "a_b",
        "Tèo & Tí",
        "AT&T; ok",
        "5µm",
        "iPhone",
        "SĂN ‘DEAL’",
        "ĂN UỐNG – ĂN…",
        "Đi đâu?Về đâu?",
        "Ban khoe khong?",
        "Ðặng",
        "Nonesuch",
        "{x",
        "x}",
        "😀👩\u200d👩\u200d👧",
        "€5",
        "Nữ: 20–30 tuổi",
    ],
)
def test_unusual_but_valid_texts_are_accepted(value: str) -> None:
    """Foreign names, signs, questions, addresses."""
    assert outcome(value) == (unicodedata.normalize("NFC", value),)


def syllables() -> Iterator[str]:
    """Vietnamese syllables, every rhyme with every tone where it belongs, in the older and the newer way."""
    rhymes = (
        "a ă â e ê i o ô ơ u ư y ia iê yê ua uô ưa ươ oa oă oe uâ uê uy uya uyê uơ oo ai ao au ay âu ây eo êu iu oi ôi"
        " ơi ui ưi ưu iêu yêu oai oao oay oeo uây uôi ươi ươu uyu uêu"
    )
    for rhyme in rhymes.split():
        marked = [at for at, letter in enumerate(rhyme) if letter in "ăâêôơ"]
        either_way = (0, 1) if rhyme in ("oa", "oe", "uy") else (len(rhyme) // 3,)
        for at in marked[-1:] or either_way:
            for tone in ("", "\u0300", "\u0309", "\u0303", "\u0301", "\u0323"):
                told = unicodedata.normalize("NFC", rhyme[: at + 1] + tone + rhyme[at + 1 :])
                for first in ("", "b", "đ", "qu", "ngh", "th"):
                    for last in ("", "c", "nh", "m"):
                        yield first + told + last


def test_vietnamese_syllables_are_not_reported_as_damaged() -> None:
    """In small letters, with a capital, in capitals."""
    wrong = [one for word in syllables() for one in (word, word.capitalize(), word.upper()) if damage_of(one)]
    assert wrong == []


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\v", "\f", "\x85", "\u2028"])
def test_line_ends_are_normalised_and_become_spaces_in_template_values(line_end: str) -> None:
    """One kind of them in an SMS; a value of a template is one line, as is one with tabs."""
    assert outcome(f"Chị{line_end} Hương") == ("Chị\n Hương",)
    assert outcome(f"Chị{line_end}\t Hương{line_end}", TEMPLATE) == ("Chị Hương",)


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"phone,name\n0901888484,Nguy\xd4n V\xa8n H\xefng\n", "TCVN3"),
        (b"phone,name\n0901888484,Nguye\xe3n Va\xean\n", "VNI"),
        ("phone,name\n0901888484,Nguyê\u0303n Văn\n".encode("cp1258"), "use encoding=windows-1258"),
    ],
)
def test_legacy_encodings_are_rejected_with_advice_and_fonts_are_not_sent(
    tmp_path: Path, content: bytes, advice: str
) -> None:
    """With the encoding that was advised for them the damage went out."""
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidRequestError, match=advice):
        list(read_recipients(path, NAME))
    report = ReadReport()
    people = list(read_recipients(path, NAME, report=report, encoding="windows-1258"))
    assert len(people) == (1 if "1258" in advice else 0)
