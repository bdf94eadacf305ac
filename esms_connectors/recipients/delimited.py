"""CSV as found in practice: from Excel, with a BOM or in UTF-16, with `;`, with line breaks in its cells."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, islice
from typing import Any

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.recipients.columns import looks_like_phone, repeated
from esms_connectors.recipients.damage import damage_of, is_vietnamese
from esms_connectors.recipients.headers import LOOKED_AT, has_all
from esms_connectors.recipients.old_fonts import LATIN_1_BYTES, OLD_FONTS
from esms_connectors.recipients.phones import clean_phone

# (line on which the row begins, or its number if there are no lines; cells; what is wrong with the row as a whole)
RawRow = tuple[int, Sequence[object], str | None]


class ShortRow(str):
    """
    The problem of a row that ends before the header does. It is not a problem if the missing cells are not needed:
    Excel does not write empty cells at the end of a row.
    """

    __slots__ = ()


# In order of preference if two occur equally often.
_DELIMITERS = "\t;,|"
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def source_error(source: str, what: str) -> InvalidRequestError:
    return InvalidRequestError(f"{source} {what}.", field="source")


def _searched_folder(path: object) -> str:
    """The folder in which a local file was looked for; empty for an address, which may hold a password."""
    if not isinstance(path, str) or "://" in path or not os.path.dirname(os.path.abspath(path)):
        return ""
    return f": looked in {os.path.dirname(os.path.abspath(path))}"


@contextmanager
def reading(source: str) -> Iterator[None]:
    """Turns system errors from opening and reading `source` into our messages."""
    try:
        yield
    except FileNotFoundError as error:
        raise source_error(source, f"does not exist{_searched_folder(error.filename)}") from None
    except IsADirectoryError:
        raise source_error(source, "is a folder, not a file") from None
    except (EOFError, zlib.error) as error:
        raise source_error(source, f"is damaged: {error}") from None
    except OSError as error:
        raise source_error(source, f"cannot be read: {error.strerror or type(error).__name__}") from None


def decoded_lines(
    file: io.BufferedReader,
    name: str,
    encoding: str | None,
    newline: str,
    reopen: Callable[[], AbstractContextManager[io.BufferedReader]],
) -> Generator[str, None, None]:
    """
    The lines of `file` as text.

    Args:
        reopen: opens the same bytes again, to find the line of a byte that cannot be decoded.

    Raises:
        InvalidRequestError: a byte that is invalid in the encoding, or a NUL; the message has the line.
    """
    # Bytes that are not UTF-8 are then those of the old font.
    errors = LATIN_1_BYTES if encoding in OLD_FONTS else "strict"
    encoding, skip = _encoding_of(file.peek(4)[:4], None if encoding in OLD_FONTS else encoding)
    file.read(skip)
    text = io.TextIOWrapper(file, encoding=encoding, errors=errors, newline=newline)
    try:
        with reading(name):
            for number, line in enumerate(text, 1):
                if "\0" in line:
                    raise source_error(
                        name,
                        f"has a NUL character in line {number}: it is not text, or UTF-16 without a byte order mark "
                        "(then use encoding=utf-16-le)",
                    )
                yield line
    except UnicodeDecodeError as error:
        with reopen() as again:
            again.read(skip)
            where = _line_of_bad_byte(again, encoding)
        bad = bytes(error.object)
        raise source_error(
            name, f"is not {encoding}: byte {bad[error.start]:#04x} in line {where}. {_advice(bad)}"
        ) from None
    finally:
        # The caller that opened the file closes it.
        text.detach()


_WINDOWS_TONES = re.compile(b"[\xcc\xd2\xde\xec\xf2]")


def _advice(content: bytes) -> str:
    """Advice for a text that is not UTF-8."""
    old = damage_of(content.decode("cp1252", "replace").replace("\ufffd", ""))
    font = "tcvn3" if "TCVN3" in old else "vni" if "VNI" in old else ""
    # Windows stores tones as separate bytes, which in other encodings rarely follow only vowels; a few prove nothing.
    tones = len(_WINDOWS_TONES.findall(content))
    if tones and is_vietnamese(content.decode("cp1258", "replace")):
        other = f", or encoding={font} if it was typed in an old font such as .VnTime" if font and tones < 2 else ""
        return f"It is written in windows-1258: use encoding=windows-1258{other}"
    if font:
        return f"It {old}: use encoding={font} and it is converted"
    return "Save it as «CSV UTF-8», or give its encoding, as in encoding=windows-1258"


def _encoding_of(head: bytes, told: str | None) -> tuple[str, int]:
    """The encoding, and the length of its mark in bytes."""
    if told is None:
        return next(
            ((name, len(mark)) for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), ("utf-8", 0)
        )
    try:
        name = codecs.lookup(told).name
        # Not every codec is a text encoding: base64 is a codec too.
        io.TextIOWrapper(io.BytesIO(), encoding=told).read()
    except (LookupError, UnicodeError, ValueError):
        raise InvalidRequestError(f"{told!r} is not an encoding that Python knows.", field="encoding") from None
    for mark, marked in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark) and name in (marked, "utf-16", "utf-8-sig"):
            return marked, len(mark)
    if name in ("utf-16", "utf-32"):
        raise InvalidRequestError(
            f"The file does not begin with the byte order mark of {name}: use {name}-le or {name}-be, or its real "
            "encoding.",
            field="encoding",
        )
    return ("utf-8", 0) if name == "utf-8-sig" else (name, 0)


def _line_of_bad_byte(file: io.BufferedReader, encoding: str) -> int:
    decoder = codecs.getincrementaldecoder(encoding)()
    line_ends = io.IncrementalNewlineDecoder(None, translate=True)
    line = 1
    while True:
        chunk = file.read(1 << 16)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            good = bytes(error.object)[: error.start].decode(encoding)
            return line + line_ends.decode(good, final=True).count("\n")
        line += line_ends.decode(text).count("\n")
        if not chunk:
            return line


def csv_rows(
    lines: Iterator[str],
    name: str,
    delimiter: str | None,
    wanted: Sequence[str] | None = None,
    header_row: int | None = None,
) -> tuple[tuple[str, ...], Iterator[RawRow], list[str]]:
    """
    The header of a CSV, its rows (line on which the row begins, cells, what is wrong with it), and notes for people who
    look at the same file.

    Rows without any cell are left out. `strict`, because a stray quote would otherwise swallow rows silently.

    Args:
        wanted: column names; the header is the first line that has all of them, if there is one.
        header_row: the line with the header, counted from 1.

    Raises:
        InvalidRequestError: no header, a name that occurs twice, a quote that is never closed, or closed rows later.
    """
    begin = list(islice(lines, max(LOOKED_AT, header_row or 0)))
    start, delimiter, notes = _find_header(begin, name, delimiter, wanted, header_row)
    delimiter = delimiter or _sniff(begin[start:])
    try:
        reader = csv.reader(chain(begin[start:], lines), delimiter=delimiter, skipinitialspace=True, strict=True)
    except (TypeError, ValueError):
        raise InvalidRequestError(f"delimiter must be one character, not {delimiter!r}.", field="delimiter") from None
    try:
        header = next(reader)
    except csv.Error as error:
        raise _csv_error(error, name, start + 1, start + reader.line_num) from None
    names = tuple(cell.strip() for cell in header)
    if wanted is None and (twice := repeated(names)):
        if any(map(looks_like_phone, names)):
            raise source_error(name, "has no header line with the column names")
        raise source_error(name, f"has the column {twice} twice; rename one of the two")
    return names, _checked_rows(reader, name, len(names), delimiter, start), notes


def _find_header(
    begin: list[str], name: str, delimiter: str | None, wanted: Sequence[str] | None, header_row: int | None
) -> tuple[int, str | None, list[str]]:
    """The line of the header, counted from 0; the delimiter, if one was given; notes for people."""
    start = 0
    if begin:
        begin[0] = begin[0].lstrip("\ufeff")  # some programs add a mark to a file that already has one
        if begin[0][:4].casefold() == "sep=":  # Excel's own way to state the delimiter
            delimiter = delimiter or begin[0].rstrip("\r\n")[4:5] or None
            start = 1
    if header_row is not None:
        if header_row > len(begin) or not begin[header_row - 1].strip():
            raise InvalidRequestError(f"{name} has no header in line {header_row}.", field="header_row")
        return header_row - 1, delimiter, []
    first = next((at for at in range(start, len(begin)) if begin[at].strip()), None)
    if first is None:
        raise source_error(name, "is empty: not even a header line")
    found: int | None = first
    if wanted:
        found = next((at for at in range(first, len(begin)) if has_all(_record(begin[at:], delimiter), wanted)), None)
    if found is None or found == first:
        return first, delimiter, []
    return found, delimiter, [f"the column names are in line {found + 1}; what is above is a title"]


def _record(lines: Sequence[str], delimiter: str | None) -> list[str]:
    """The row that begins with the first of the lines; empty if it cannot be parsed."""
    try:
        return next(csv.reader(iter(lines), delimiter=delimiter or _sniff(lines), skipinitialspace=True), [])
    except (csv.Error, TypeError, ValueError):
        return []


def _checked_rows(reader: Any, name: str, width: int, delimiter: str, skipped: int) -> Iterator[RawRow]:
    begun = reader.line_num
    try:
        for cells in reader:
            line, lines, begun = skipped + begun + 1, reader.line_num - begun, reader.line_num
            if lines > 1 and _swallowed(cells, delimiter, width):
                raise source_error(
                    name,
                    f"has a quote in the row of line {line} that is closed only in line {skipped + begun}: the lines "
                    "between look like separate rows",
                )
            if len(cells) == width:
                yield line, cells, None
            elif len(cells) > width and not any(map(str.strip, cells[width:])):
                yield line, cells[:width], None  # empty cells at the end are harmless
            elif cells:
                problem = f"has {counted(len(cells), 'cell')} where the header has {width}"
                yield line, cells, ShortRow(problem) if len(cells) < width else problem
    except csv.Error as error:
        raise _csv_error(error, name, skipped + begun + 1, skipped + reader.line_num) from None


def holds_rows(cell: str, delimiters: str = _DELIMITERS) -> bool:
    """Whether a cell with line breaks contains lines of other rows: a phone next to other cells."""
    for line in cell.splitlines():
        pieces = line.translate(dict.fromkeys(map(ord, delimiters), "\n")).split("\n")
        if len(pieces) > 1 and any(clean_phone(piece).number for piece in pieces):
            return True
    return False


def _swallowed(cells: Sequence[str], delimiter: str, width: int) -> bool:
    """Whether an unclosed quote has merged several rows into one: each of its lines is a row."""
    for at, cell in enumerate(cells):
        first, *others = cell.splitlines() or [""]
        if not others:
            continue
        if holds_rows(cell, delimiter):
            return True
        counts = [at + first.count(delimiter), *(line.count(delimiter) for line in others)]
        counts[-1] += len(cells) - 1 - at
        # With fewer columns, a sentence with a comma or two may look like this.
        if width > 3 and all(count == width - 1 for count in counts):
            return True
    return False


def _csv_error(error: csv.Error, name: str, begun: int, line: int) -> InvalidRequestError:
    words = str(error)
    if "field larger" in words:
        long = f"a cell of more than {csv.field_size_limit():,} characters"
        if line == begun:
            return source_error(name, f"has {long} in line {line}: remove that column")
        return source_error(name, f"has a quote in the row of line {begun} that is never closed, or {long}")
    if "unexpected end" in words:
        return source_error(name, f"has a quote in the row of line {begun} that is never closed")
    return source_error(name, f"has a quote in line {line} that is neither doubled nor at the end of its cell")


def _sniff(lines: Sequence[str]) -> str:
    """The delimiter that occurs most often outside quotes in the first row; a comma for a single column."""
    header = lines[0]
    for line in lines[1:]:
        if header.count('"') % 2 == 0:
            break
        header += line  # the name of a column continues on the next line
    outside = "".join(header.split('"')[::2])
    best = max(_DELIMITERS, key=outside.count)
    return best if best in outside else ","
