"""TCVN3 and VNI become Unicode, from files in their bytes and from cells in their letters."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.recipients import Columns, ReadReport, read_recipients
from esms_connectors.recipients.old_fonts import from_old_font

# Each vowel with its tones: none, grave, hook, tilde, acute, dot. Bytes as vendors' tables list them.
TCVN3 = {
    "aàảãáạ": b"a\xb5\xb6\xb7\xb8\xb9",
    "ăằẳẵắặ": b"\xa8\xbb\xbc\xbd\xbe\xc6",
    "âầẩẫấậ": b"\xa9\xc7\xc8\xc9\xca\xcb",
    "eèẻẽéẹ": b"e\xcc\xce\xcf\xd0\xd1",
    "êềểễếệ": b"\xaa\xd2\xd3\xd4\xd5\xd6",
    "iìỉĩíị": b"i\xd7\xd8\xdc\xdd\xde",
    "oòỏõóọ": b"o\xdf\xe1\xe2\xe3\xe4",
    "ôồổỗốộ": b"\xab\xe5\xe6\xe7\xe8\xe9",
    "ơờởỡớợ": b"\xac\xea\xeb\xec\xed\xee",
    "uùủũúụ": b"u\xef\xf1\xf2\xf3\xf4",
    "ưừửữứự": b"\xad\xf5\xf6\xf7\xf8\xf9",
    "yỳỷỹýỵ": b"y\xfa\xfb\xfc\xfd\xfe",
    "đĐ": b"\xae\xa7",
}
VNI = {
    "aàảãáạ": "a aø aû aõ aù aï",
    "ăằẳẵắặ": "aê aè aú aü aé aë",
    "âầẩẫấậ": "aâ aà aå aã aá aä",
    "eèẻẽéẹ": "e eø eû eõ eù eï",
    "êềểễếệ": "eâ eà eå eã eá eä",
    "iìỉĩíị": "i ì æ ó í ò",
    "oòỏõóọ": "o oø oû oõ où oï",
    "ôồổỗốộ": "oâ oà oå oã oá oä",
    "ơờởỡớợ": "ô ôø ôû ôõ ôù ôï",
    "uùủũúụ": "u uø uû uõ uù uï",
    "ưừửữứự": "ö öø öû öõ öù öï",
    "yỳỷỹýỵ": "y yø yû yõ yù î",
    "đ": "ñ",
}
TO_TCVN3 = {letter: codes[at : at + 1] for letters, codes in TCVN3.items() for at, letter in enumerate(letters)}
TO_VNI = {letter: codes.split()[at] for letters, codes in VNI.items() for at, letter in enumerate(letters)}
TO_VNI |= {letter.upper(): code.upper() for letter, code in TO_VNI.items()}
SYLLABLES = [
    "nguyễn",
    "văn",
    "hương",
    "gội",
    "đầu",
    "trần",
    "thị",
    "mỹ",
    "lệ",
    "phạm",
    "đức",
    "thắng",
    "quỳnh",
    "ước",
    "khuyến",
    "mãi",
    "đường",
    "số",
    "nghĩa",
    "vũ",
    "ngọc",
    "ánh",
    "ỷ",
    "lại",
]


def in_tcvn3(text: str) -> bytes:
    return b"".join(TO_TCVN3.get(one, one.encode("ascii", "replace")) for one in text)


def in_vni(text: str) -> str:
    return "".join(TO_VNI.get(one, one) for one in text)


def test_every_letter_is_converted_from_tcvn3_and_vni() -> None:
    """Lower and upper ones."""
    for letter, code in TO_TCVN3.items():
        assert from_old_font(code.decode("latin-1"), "tcvn3") == letter
    for letter, code in TO_VNI.items():
        assert from_old_font(code, "vni") == letter


@pytest.mark.in_turn(every=3)
@given(st.lists(st.sampled_from(SYLLABLES), min_size=1, max_size=5), st.sampled_from(["lower", "title", "upper"]))
def test_words_are_converted_and_unicode_is_unchanged(syllables: list[str], case: str) -> None:
    """Names and services, in any case; Unicode stays as it is."""
    text = " ".join(syllables)
    assert from_old_font(in_tcvn3(text).decode("latin-1"), "tcvn3") == text
    cased = getattr(text, case)()
    assert from_old_font(in_vni(cased), "vni") == cased
    if any(ord(one) > 0xFF for one in cased):
        assert from_old_font(cased, "tcvn3") == from_old_font(cased, "vni") == cased


def test_undecodable_file_error_suggests_the_encoding(tmp_path: Path) -> None:
    """Windows' own, whose tones stand apart, is not taken for an old font: that would make other names of them."""
    apart = "Hu\u0300ng, Ti\u00ea\u0301n, \u0110\u0103\u0323ng, H\u01b0\u01a1ng"
    for content, advice in (
        (apart.encode("cp1258"), "use encoding=windows-1258"),
        (in_tcvn3("Hùng, Tiến, Đặng, Hương"), "TCVN3 (.VnTime fonts), not in Unicode: use encoding=tcvn3"),
    ):
        path = tmp_path / "a.csv"
        path.write_bytes(b"phone;name\n0901888484;" + content + b"\n")
        with pytest.raises(InvalidRequestError, match="is not utf-8") as caught:
            list(read_recipients(path, Columns(params=("name",))))
        assert advice in str(caught.value)
        assert ("tcvn3" in str(caught.value)) == ("tcvn3" in advice)


def test_tcvn3_capitals_are_inferred_from_the_word() -> None:
    """Only their fonts make them capitals: the word decides."""
    assert from_old_font("NGUYÔN V¡N H¦¥NG", "tcvn3") == "NGUYỄN VĂN HƯƠNG"
    assert from_old_font("§Æng ¸nh", "tcvn3") == "Đặng ánh"


@pytest.mark.parametrize(
    ("font", "content"), [("tcvn3", in_tcvn3), ("vni", lambda text: in_vni(text).encode("latin-1"))]
)
@pytest.mark.parametrize("kind", ["bytes", "utf-8", "mappings"])
def test_legacy_fonts_are_converted_from_bytes_utf_8_and_mappings(
    tmp_path: Path, font: str, content: object, kind: str
) -> None:
    """A file in the font's own bytes, one that a program saved as UTF-8, and cells of a database."""
    text = "nguyễn thị mỹ lệ, gội đầu"
    raw: bytes = content(text)
    columns = Columns(params=("tên",))
    source: object = tmp_path / "a.csv"
    if kind == "mappings":
        source = [{"phone": "0901888484", "tên": raw.decode("latin-1")}]
    else:
        header = content("tên")
        whole = b"phone;" + header + b"\n0901888484;" + raw + b"\n"
        (tmp_path / "a.csv").write_bytes(whole if kind == "bytes" else whole.decode("latin-1").encode())

    people = list(read_recipients(source, columns, encoding=font))
    assert [one.template_params for one in people] == [(text,)]

    report = ReadReport()
    if kind == "bytes":
        with pytest.raises(InvalidRequestError, match=f"use encoding={font}"):
            list(read_recipients(source, columns))
    elif kind == "mappings":
        assert not list(read_recipients(source, columns, report=report))
        assert f"encoding={font} converts it" in report.first_rejects[0].text
