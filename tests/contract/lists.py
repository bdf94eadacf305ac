"""
Lists that need an argument to be read as they are meant, through every front end: the same people, the same names.

The arguments are called alike everywhere; the command line writes them with hyphens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl

from esms_connectors.emulator import Emulator

HEADER = ["phone", "customer_name", "service", "code", "date"]
REST = ["Gội đầu", "M1", "15/05/2024"]
LAN, MAI, BINH = "0901000001", "0901000002", "0901000003"


@dataclass(frozen=True)
class ListCase:
    """
    Attributes:
        make: writes the list into a folder; gives its path.
        arguments: what reads it; without them nothing may be sent, or something else.
        names: phone -> name, of those who must be reached.
    """

    name: str
    make: Callable[[Path], Path]
    arguments: Mapping[str, Any]
    names: Mapping[str, str]


def _workbook(folder: Path) -> Path:
    """The wanted sheet is the second; it has a title, and Mai's row is hidden."""
    book = openpyxl.Workbook()
    first = book.active
    first.append(HEADER)
    first.append([BINH, "Bình", *REST])
    second = book.create_sheet("Tháng 5")
    second.append(["Khách tháng 5"])
    second.append([])
    second.append(HEADER)
    second.append([LAN, "Lan", *REST])
    second.append([MAI, "Mai", *REST])
    second.row_dimensions[5].hidden = True
    path = folder / "list.xlsx"
    book.save(path)
    return path


def _csv(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "list.csv"
    path.write_bytes(text.encode(encoding))
    return path


def _line(phone: str, name: str, sign: str = ",") -> str:
    return sign.join([phone, name, *REST]) + "\n"


def _pipes(folder: Path) -> Path:
    return _csv(folder, "Danh sách\n" + "|".join(HEADER) + "\n" + _line(LAN, "Lan, Mai", "|"))


def _old_font(folder: Path) -> Path:
    # "Lan Anh Đỗ" in the letters of TCVN3, as Excel with the font .VnTime saves it.
    rest = ",".join(["Goi dau", "M1", "15/05/2024"])
    return _csv(folder, ",".join(HEADER) + f"\n{LAN},Lan Anh §ç,{rest}\n", "windows-1252")


def _two(folder: Path) -> Path:
    return _csv(folder, ",".join(HEADER) + "\n" + _line(f"{LAN} / {MAI}", "Lan"))


def _damaged(folder: Path) -> Path:
    return _csv(folder, ",".join(HEADER) + "\n" + _line(LAN, "Nguy?n Lan"))


LISTS = (
    ListCase("a sheet with a title and a hidden row", _workbook, {"sheet": "Tháng 5", "hidden_rows": "read"},
             {LAN: "Lan", MAI: "Mai"}),
    ListCase("the row of the header", _pipes, {"delimiter": "|", "header_row": 2}, {LAN: "Lan, Mai"}),
    ListCase("an old font", _old_font, {"encoding": "tcvn3"}, {LAN: "Lan Anh Đỗ"}),
    ListCase("two numbers, the first", _two, {"two_phones": "first"}, {LAN: "Lan"}),
    ListCase("two numbers, both", _two, {"two_phones": "both"}, {LAN: "Lan", MAI: "Lan"}),
    ListCase("a damaged text as it stands", _damaged, {"as_is": True}, {LAN: "Nguy?n Lan"}),
)  # fmt: skip


def check_reached(case: ListCase, gateway: Emulator) -> None:
    """Who got a message, and by which name."""
    got = {message.phone: message.content for message in gateway.messages()}
    assert got.keys() == case.names.keys()
    assert not [got[phone] for phone, name in case.names.items() if name not in got[phone]]
