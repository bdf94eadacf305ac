"""Files that were damaged on their way end in one line of ours, whatever they hold."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis_profiles import examples

from esms_connectors.gateway.errors import EsmsError
from esms_connectors.recipients import Columns, read_recipients

NAME = Columns(params=("name",))


def seeds(folder: Path) -> Iterator[bytes]:
    """Good files to be damaged."""
    yield 'phone,name\n0901888484,"An"\n0901888485,Bình\n'.encode()
    yield "phone;name\r\n0901888484;Đặng\r\n".encode("utf-16")
    yield b'{"phone": "0901888484", "name": "An"}\n{"phone": 901888485, "name": null}\n'
    workbook = xlsxwriter.Workbook(str(folder / "seed.xlsx"))
    workbook.add_worksheet().write_row(0, 0, ["phone", "name"])
    workbook.close()
    yield (folder / "seed.xlsx").read_bytes()


def damaged(content: bytes, dice: random.Random) -> bytes:
    """The content with bytes changed, taken out, doubled or cut off; of a zip also a part of it."""
    if content[:2] == b"PK" and dice.random() < 0.7:
        return _damaged_part(content, dice)
    changed = bytearray(content)
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(changed) + 1)
        match dice.randrange(4):
            case 0:
                changed[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                del changed[at : at + dice.randint(1, 40)]
            case 2:
                changed[at:at] = changed[max(0, at - 20) : at]
            case _:
                changed[at:at] = dice.choice(
                    [b"\0", b'"', b"\n", b",", b"\xff\xfe", b"\xc3", b"<", b"'", b"\xef\xbb\xbf"]
                )
    return bytes(changed)


def _damaged_part(content: bytes, dice: random.Random) -> bytes:
    old, into = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    chosen = dice.choice(old.namelist())
    with zipfile.ZipFile(into, "w") as packed:
        for name in old.namelist():
            packed.writestr(name, damaged(old.read(name), dice) if name == chosen else old.read(name))
    return into.getvalue()


@pytest.mark.in_turn
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".xlsx", ".parquet", ".csv.gz"])
def test_damaged_files_are_read_or_give_one_line_error(tmp_path: Path, suffix: str) -> None:
    """No error of another library, whatever the name promises."""
    dice = random.Random(f"files {suffix}")
    contents = list(seeds(tmp_path))
    path = tmp_path / f"a{suffix}"
    for number in range(examples(200)):
        path.write_bytes(damaged(dice.choice(contents), dice))
        encoding = dice.choice([None, None, None, "tcvn3", "vni", "cp1258", "utf-16"])
        problem = ""
        try:
            list(read_recipients(path, NAME, encoding=encoding, as_is=number % 3 == 0, two_phones="both"))
        except EsmsError as error:
            problem = str(error)
        assert "\n" not in problem
