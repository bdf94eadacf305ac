"""
XLSX, row by row: the values of its cells, which rows are hidden, which cells are merged.

Parsed here and not by a library: openpyxl is slower and does not report hidden rows when streaming; calamine holds the
whole sheet in memory, and knows neither hidden rows nor number formats such as those of `00123` or `50%`.
Source of the format: ECMA-376 part 1, section 18 (SpreadsheetML).
"""

from __future__ import annotations

import mmap
import re
import tempfile
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import cache
from posixpath import dirname, join, normpath
from typing import IO, Any
from xml.parsers import expat

from esms_connectors.recipients.cells import (
    MergedRange,
    SheetInfo,
    SheetRow,
    UnreadableCell,
    date_of_serial,
    format_of,
    number_as_shown,
)

_PIECE = 1 << 16
_MOST_COLUMNS = 16_384  # the format's limit; a row is as long as its last address says
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_MERGED = re.compile(rb"""<(?:\w+:)?mergeCell\s[^>]*?ref=["']([A-Z]+)(\d+):([A-Z]+)(\d+)["']""")
_NO_VALUE = UnreadableCell("is a formula that was never calculated: open the file in Excel and save it")

Attributes = Mapping[str, str]


class WorkbookError(Exception):
    """A workbook that cannot be read; the message says why, as the end of a sentence."""


class XlsxWorkbook:
    """
    An open XLSX.

    Args:
        file: its bytes; must be seekable, and stays open as long as the workbook is used.

    Attributes:
        sheets: its worksheets, in the order of their tabs.

    Raises:
        WorkbookError: it is not an XLSX; also raised while rows are read.
    """

    def __init__(self, file: IO[bytes]) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError):
            raise WorkbookError("is damaged: its end is missing, or it is not a workbook") from None
        root = self._relations("_rels/.rels", "")
        main = next((target for kind, target in root.values() if kind.endswith("/officeDocument")), "xl/workbook.xml")
        relations = self._relations(join(dirname(main), "_rels", main.rpartition("/")[2] + ".rels"), dirname(main))
        of_kind = {kind.rpartition("/")[2]: target for kind, target in relations.values()}
        self._from_1904 = False
        found: list[tuple[SheetInfo, str]] = []

        def start(tag: str, given: Attributes) -> None:
            if tag == "workbookPr":
                self._from_1904 = given.get("date1904") in ("1", "true")
            elif tag == "sheet":
                kind, part = relations.get(given.get(_id_of(given), ""), ("", ""))
                if kind.endswith("/worksheet"):  # no charts
                    found.append((SheetInfo(given.get("name", ""), given.get("state", "visible") != "visible"), part))

        self._parse(main, start)
        if not found:
            raise WorkbookError("has no worksheet")
        self.sheets = [info for info, _ in found]
        self._parts = {info.name: part for info, part in found}
        self._formats = self._read_formats(of_kind.get("styles", ""))
        self._strings_part = of_kind.get("sharedStrings", "")
        self._strings: _Strings | None = None

    def close(self) -> None:
        if self._strings is not None:
            self._strings.close()
        self._zip.close()

    def merged(self, sheet: str) -> list[MergedRange]:
        """Merged cells; they come after the rows, so the sheet is decompressed once more for them."""
        found, tail = [], b""
        for piece in self._pieces(self._parts[sheet]):
            content = tail + piece
            try:
                found += [_range(match) for match in _MERGED.finditer(content)]
            except ValueError:
                raise WorkbookError("is damaged: it merges cells that no sheet has") from None
            tail = content[content.rfind(b"<") :]
        return found

    def rows(self, sheet: str) -> Iterator[SheetRow]:
        """Each row that has a cell or is hidden; cells without a value are None."""
        if self._strings is None:
            self._strings = self._read_strings()
        reader = _SheetReader(self._strings, self._formats, self._from_1904)
        parser = _parser(reader.start, reader.end, reader.text)
        for piece in self._pieces(self._parts[sheet]):
            self._feed(parser, piece)
            if reader.done:
                yield from reader.done
                reader.done = []
        self._feed(parser, b"", final=True)
        yield from reader.done

    # --- parts of the archive ----------------------------------------------------------------------------------------

    def _pieces(self, part: str) -> Iterator[bytes]:
        try:
            with self._zip.open(part) as opened:
                while piece := opened.read(_PIECE):
                    yield piece
        except KeyError:
            raise WorkbookError(f"is damaged: {part} is missing") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError):
            raise WorkbookError("is damaged, or protected by a password") from None

    def _feed(self, parser: Any, piece: bytes, *, final: bool = False) -> None:
        try:
            parser.Parse(piece, final)
        except (expat.ExpatError, ValueError, LookupError, OverflowError) as error:
            raise WorkbookError(f"is damaged ({type(error).__name__})") from None

    def _parse(
        self,
        part: str,
        start: Callable[[str, Attributes], None],
        end: Callable[[str], None] | None = None,
        text: Callable[[str], None] | None = None,
    ) -> None:
        parser = _parser(start, end, text)
        for piece in self._pieces(part):
            self._feed(parser, piece)
        self._feed(parser, b"", final=True)

    def _relations(self, part: str, folder: str) -> dict[str, tuple[str, str]]:
        """Relation id -> (kind, target part)."""
        relations = {}

        def start(tag: str, given: Attributes) -> None:
            if tag == "Relationship" and given.get("TargetMode") != "External":
                target = given.get("Target", "")
                target = target[1:] if target.startswith("/") else normpath(join(folder, target))
                relations[given.get("Id", "")] = (given.get("Type", ""), target)

        self._parse(part, start)
        return relations

    def _read_formats(self, part: str) -> list[Any]:
        """The number format of each cell style."""
        codes: dict[int, str] = {}
        styles: list[Any] = []
        inside = ""

        def start(tag: str, given: Attributes) -> None:
            nonlocal inside
            if tag == "numFmt":
                codes[int(given.get("numFmtId", 0))] = given.get("formatCode", "")
            elif tag in ("cellXfs", "cellStyleXfs"):
                inside = tag
            elif tag == "xf" and inside == "cellXfs":
                number = int(given.get("numFmtId", 0))
                styles.append(format_of(number, codes.get(number)))

        if part:
            self._parse(part, start)
        return styles

    def _read_strings(self) -> _Strings:
        strings = _Strings()
        reader = _StringsReader(strings)
        try:
            if self._strings_part:
                self._parse(self._strings_part, reader.start, reader.end, reader.text)
            strings.finish()
        except BaseException:
            strings.close()
            raise
        return strings


class _Strings:
    """The texts of a workbook, each once: in an unnamed temporary file, with eight bytes of memory for each."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="esms-")  # noqa: SIM115 - closed by close()
        self._ends = array("Q", [0])
        self._map: mmap.mmap | None = None

    def add(self, text: str) -> None:
        self._ends.append(self._ends[-1] + self._file.write(text.encode("utf-8", "surrogatepass")))

    def finish(self) -> None:
        self._file.flush()
        if self._ends[-1]:
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def __getitem__(self, number: int) -> str:
        begin, end = self._ends[number], self._ends[number + 1]
        return self._map[begin:end].decode("utf-8", "surrogatepass") if self._map is not None else ""

    def close(self) -> None:
        if self._map is not None:
            self._map.close()
        self._file.close()


class _StringsReader:
    """Turns the XML events of the shared strings into texts."""

    def __init__(self, strings: _Strings) -> None:
        self._strings = strings
        self._pieces: list[str] = []
        self._wanted = self._spoken = False

    def start(self, tag: str, given: Attributes) -> None:
        if tag == "t":
            self._wanted = not self._spoken
        elif tag == "si":
            self._pieces = []
        elif tag == "rPh":  # phonetic reading of a text
            self._spoken = True

    def end(self, tag: str) -> None:
        if tag == "t":
            self._wanted = False
        elif tag == "si":
            self._strings.add(_unescaped("".join(self._pieces)))
        elif tag == "rPh":
            self._spoken = False

    def text(self, content: str) -> None:
        if self._wanted:
            self._pieces.append(content)


class _SheetReader:
    """Turns the XML events of a sheet into rows."""

    def __init__(self, strings: _Strings, formats: list[Any], from_1904: bool) -> None:
        self.done: list[SheetRow] = []
        self._strings = strings
        self._formats = formats
        self._from_1904 = from_1904
        self._number = 0
        self._hidden = False
        self._cells: list[object] = []
        self._at = 0
        self._kind = self._style = ""
        self._pieces: list[str] = []
        self._wanted = self._spoken = self._formula = False

    def start(self, tag: str, given: Attributes) -> None:
        if tag == "c":
            at = given.get("r")
            # Some writers leave out the address: it is the next cell then.
            self._at = len(self._cells) if at is None else _column(at.rstrip("0123456789"))
            self._kind, self._style = given.get("t", "n"), given.get("s", "")
            self._pieces = []
            self._formula = False
        elif tag in ("v", "t"):
            self._wanted = not self._spoken
        elif tag == "f":
            self._formula = True
        elif tag == "row":
            self._number = int(given.get("r") or self._number + 1)
            self._hidden = given.get("hidden") in ("1", "true") or given.get("ht") == "0"
            self._cells = []
        elif tag == "rPh":
            self._spoken = True

    def text(self, content: str) -> None:
        if self._wanted:
            self._pieces.append(content)

    def end(self, tag: str) -> None:
        if tag in ("v", "t"):
            self._wanted = False
        elif tag == "c":
            value = self._value()
            if value is not None:
                cells = self._cells
                if self._at >= len(cells):
                    cells.extend([None] * (self._at - len(cells)))
                    cells.append(value)
                else:
                    cells[self._at] = value
            elif self._at == len(self._cells):
                self._cells.append(None)
        elif tag == "row":
            if self._cells or self._hidden:
                self.done.append(SheetRow(self._number, self._cells, self._hidden))
        elif tag == "rPh":
            self._spoken = False

    def _value(self) -> object:
        pieces, kind = self._pieces, self._kind
        content = pieces[0] if len(pieces) == 1 else "".join(pieces)
        if not content:
            return _NO_VALUE if self._formula and kind != "str" else None
        if kind == "s":
            return self._strings[int(content)]
        if kind in ("str", "inlineStr", "e"):
            return _unescaped(content)
        if kind == "b":
            return content.strip() in ("1", "true")
        if kind == "d":
            return content  # ISO 8601
        return self._number_shown(content)

    def _number_shown(self, content: str) -> object:
        shown = self._formats[int(self._style)] if self._style else None
        if shown is not None and shown.is_date:
            begin = timedelta(days=1462) if self._from_1904 else timedelta()
            return date_of_serial(float(content), shown, begin)
        return number_as_shown(content, shown)


@cache
def _column(letters: str) -> int:
    """AB -> 27."""
    number = 0
    for letter in letters[:4]:
        number = number * 26 + ord(letter) - 64
    if not 1 <= number <= _MOST_COLUMNS:
        raise ValueError(letters)
    return number - 1


def _id_of(given: Attributes) -> str:
    """The attribute with the id of a relation, whatever its namespace prefix is."""
    return next((name for name in given if name.endswith(":id")), "id")


def _range(match: re.Match[bytes]) -> MergedRange:
    left, top, right, bottom = match[1].decode(), int(match[2]), match[3].decode(), int(match[4])
    return MergedRange(top, _column(left), bottom, _column(right))


def _unescaped(text: str) -> str:
    """Decode escapes such as `_x000D_`, which the format uses for characters that XML cannot represent."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _parser(
    start: Callable[[str, Attributes], None],
    end: Callable[[str], None] | None,
    text: Callable[[str], None] | None,
) -> Any:
    """An XML parser that reports tags without their namespaces, and refuses document types."""
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def first(tag: str, given: Attributes) -> None:
        # Nearly all files have the namespace as their default, and then tags have no prefix.
        if ":" in tag:
            parser.StartElementHandler = lambda tag, given: start(_local(tag), given)
            parser.EndElementHandler = None if end is None else lambda tag: end(_local(tag))
        else:
            parser.StartElementHandler = start
        parser.StartElementHandler(tag, given)

    def refuse(*_: object) -> None:
        raise ValueError("a document type")

    parser.StartElementHandler = first
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    return parser


@cache
def _local(tag: str) -> str:
    return tag.rpartition(":")[2]
