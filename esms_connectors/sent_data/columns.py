"""
Converts a page of sent data from bytes to typed columns. No Python object per row outlives the page.

Whole columns are converted at once if the page has the usual format; otherwise it is read again value by value, as
leniently as in `gateway.wire`. No malformed value ever drops a row.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from esms_connectors.gateway import wire
from esms_connectors.gateway.errors import ConfigurationError, OutcomeUnknownError
from esms_connectors.gateway.phones import read_phone
from esms_connectors.gateway.states import DeliveryState, state_of_row
from esms_connectors.gateway.wire import Fields, pick

try:
    import msgspec
    import pyarrow as pa
    import pyarrow.compute as pc
except ImportError:
    raise ConfigurationError(
        "Rows as columns need one of the extras [duckdb], [postgres], [files], [dlt]: "
        "pip install 'esms-connectors[duckdb]'"
    ) from None

TIME = pa.timestamp("ms", tz="UTC")
MONEY = pa.decimal128(18, 4)

SENT_MESSAGE_SCHEMA = pa.schema(
    [
        pa.field("message_id", pa.string(), nullable=False),
        pa.field("phone", pa.string()),
        pa.field("sms_type", pa.int32()),
        pa.field("campaign", pa.string()),
        pa.field("content", pa.string()),
        pa.field("price_vnd", MONEY),
        pa.field("send_status", pa.int32()),
        pa.field("send_result", pa.int32()),
        pa.field("status_text", pa.string()),
        pa.field("state", pa.string(), nullable=False),
        pa.field("sent_at", TIME),
        pa.field("portal_id", pa.string()),
        pa.field("window_start", TIME, nullable=False),
        pa.field("window_end", TIME, nullable=False),
    ]
)

_PAGE_SCHEMA = pa.schema(list(SENT_MESSAGE_SCHEMA)[:-2])
# `pa.array` would load pandas where it is installed.
_EMPTY = pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in _PAGE_SCHEMA], schema=_PAGE_SCHEMA)

UNNAMED = "unnamed-"
"""Prefix of a message id that was generated here because the gateway gave none."""

_Value = str | int | float | None
_MAX_INT32 = 2**31 - 1
_EXACT_FLOAT = 1e11  # up to this value a double represents four decimals exactly
_USUAL_DATES, _USUAL_LENGTH = re.compile(r"(?:/Date\(\d{13}\+0700\)/)*", re.ASCII), len("/Date(1700000000000+0700)/")
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_TOO_MUCH, _SMALLEST = Decimal(10) ** 14, Decimal("0.0001")  # what MONEY can hold
_LONGEST_UNREAD = 100
# The masking of `redaction` would also match dates.
_PHONE = re.compile(r"(?<!\d)(?:\+?84|0)\d{9}(?!\d)")
_FINAL = frozenset(state.value for state in DeliveryState if state.is_final)


class _Row(msgspec.Struct, gc=False):
    """A row, with the names of the samples and of the tables. Source: get-the-message-status."""

    ReferenceId: _Value = None
    RefercenceId: _Value = None
    Phone: _Value = None
    SmsType: _Value = None
    Campaign: _Value = None
    Content: _Value = None
    SellPrice: _Value = None
    Sellprice: _Value = None
    SendStatus: _Value = None
    SendResult: _Value = None
    SentTime: _Value = None
    SmsId: _Value = None


class _Page(msgspec.Struct, gc=False):
    CodeResult: _Value = None
    ErrorMessage: _Value = None
    CountTotal: _Value = None
    SentData: list[_Row] | None = None


_decode = msgspec.json.Decoder(_Page).decode


@dataclass(frozen=True, slots=True)
class SentColumns:
    """
    One page.

    Attributes:
        batch: `SENT_MESSAGE_SCHEMA` without the two columns of the window.
        keys: the row keys, in the order of the rows.
        count_total: the gateway's count of rows in the whole range; None without one.
        rows_received: entries of the page, readable or not.
        unnamed: rows without an id, for which one was generated.
    """

    batch: pa.RecordBatch
    keys: Sequence[str]
    count_total: int | None
    rows_received: int
    unnamed: int


def states_of(batch: pa.RecordBatch) -> Counter[str]:
    """State -> rows."""
    counted = pc.value_counts(batch.column("state"))
    return Counter(dict(zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True)))


def unread_of(batch: pa.RecordBatch) -> int:
    """Rows with a value that could not be parsed; `status_text` has the original text."""
    texts = batch.column("status_text")
    return len(texts) - int(texts.null_count)


def open_rows_of(states: Mapping[str, int]) -> int:
    """Rows among `states` that are not final."""
    return sum(rows for state, rows in states.items() if state not in _FINAL)


def distinct_places(batch: pa.RecordBatch, keys: Sequence[str]) -> dict[str, int]:
    """
    Key -> place of its row. Of rows with the same key in one answer the final one is taken, then the one that was sent
    last, whatever their order.
    """
    places: dict[str, int] = {}
    for place, key in enumerate(keys):
        before = places.setdefault(key, place)
        if before != place and _rank(batch, place) > _rank(batch, before):
            places[key] = place
    return places


def _rank(batch: pa.RecordBatch, place: int) -> tuple[Any, ...]:
    sent_at = batch.column("sent_at").cast(pa.int64())[place].as_py()
    names = ("send_status", "send_result", "price_vnd", "status_text", "content")
    others = (batch.column(name)[place].as_py() for name in names)
    is_final = batch.column("state")[place].as_py() in _FINAL
    return (is_final, *((value is not None, value) for value in (sent_at, *others)))


def checksum(batch: pa.RecordBatch, keys: Sequence[str]) -> int:
    """The sum of the checksums of key, status, price and time of each row, so it does not depend on the order."""
    statuses = (batch.column(name).to_pylist() for name in ("send_status", "send_result"))
    others = (_words(batch.column(name)) for name in ("price_vnd", "sent_at"))
    starts = [
        ((status or 0) * 1009 + (result or 0) + price * 31 + sent_at) & 0xFFFFFFFF
        for status, result, price, sent_at in zip(*statuses, *others, strict=True)
    ]
    return sum(map(zlib.crc32, map(str.encode, keys), starts))


def _words(column: pa.Array) -> list[int]:
    """The lowest eight bytes of each value, ten times as fast as creating objects for prices and times."""
    if not len(column):
        return []
    column = column.fill_null(-1) if column.null_count else column
    step = column.type.bit_width // 64
    first = column.offset * step
    words = memoryview(column.buffers()[1]).cast("q")
    return words[first : first + len(column) * step : step].tolist()


class PageReader:
    """
    Reads one page: the client calls `read` in the thread of the request; `columns` is called later in the thread of the
    reader. Arrow keeps memory for each thread that allocates, and the request threads are free again sooner.
    """

    def __init__(self) -> None:
        self._count_total: object = None
        self._rows: Sequence[_Row] = ()
        self._rows_listed: int | None = None
        self._has_nul = False
        self._answer: Fields = {}

    def read(self, body: bytes) -> Fields:
        # NUL has only this form in JSON; one search in the bytes is cheaper than one in every column.
        self._has_nul = b"\\u0000" in body
        try:
            page = _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._read_exactly(body)
        if page.CodeResult is None or page.SentData is None or page.CountTotal is None or _is_odd(page.SentData):
            return self._read_exactly(body)
        self._count_total, self._rows = page.CountTotal, page.SentData
        self._rows_listed = len(self._rows)
        self._answer = {"CodeResult": page.CodeResult, "ErrorMessage": page.ErrorMessage}
        return self._answer

    def _read_exactly(self, body: bytes) -> Fields:
        """Read all names, types and digits exactly; three times slower."""
        # A text that was cut in the middle of a character must not keep all rows of its page out for good.
        answer = wire.read_answer(body, errors="replace")
        listed = pick(answer, "SentData")
        self._rows = [_row_of(fields) for fields in wire.as_rows(listed)]
        self._rows_listed = len(listed) if isinstance(listed, list) else None
        self._count_total = pick(answer, "CountTotal")
        self._answer = answer
        return answer

    def counts(self, answer: Fields) -> tuple[int | None, int]:
        """`count_total` and `rows_received` of the last page read; `answer` as in `columns`."""
        if answer is not self._answer:
            return wire.as_count(pick(answer, "CountTotal")), 0
        return wire.as_count(_exact(self._count_total)), self._rows_listed or 0

    def columns(self, answer: Fields) -> SentColumns:
        """
        The columns of the last page read; call it once.

        Args:
            answer: the client's result: for an empty range the gateway may answer an error code, without a page.

        Raises:
            OutcomeUnknownError: neither rows nor a count.
        """
        count_total, rows_received = self.counts(answer)
        if answer is not self._answer:
            return SentColumns(_EMPTY, (), count_total, rows_received, 0)
        if self._rows_listed is None and count_total is None:
            # An empty range has an empty list or a count; an answer with neither must not be read as empty.
            raise OutcomeUnknownError(
                "get_sms_sent_data was answered with a success code but without rows or a count. Reading again is "
                "safe.",
                retryable=True,
                endpoint="get_sms_sent_data",
            )
        has_nul, rows, self._rows = self._has_nul, self._rows, ()
        prices = _raw_prices(rows)
        message_ids, unnamed = _message_ids(rows, has_nul=has_nul)
        phones = _phones([row.Phone for row in rows])
        sms_type, odd_type = _integers([row.SmsType for row in rows])
        send_status, odd_status = _integers([row.SendStatus for row in rows])
        send_result, odd_result = _integers([row.SendResult for row in rows])
        statuses = list(zip(send_status.to_pylist(), send_result.to_pylist(), strict=True))
        price_vnd, odd_price = _prices(prices)
        sent_at, odd_time = _times([row.SentTime for row in rows])
        status_text = _with_unread(
            _status_text(statuses, odd_status, odd_result), sms_type=odd_type, price_vnd=odd_price, sent_at=odd_time
        )
        batch = pa.RecordBatch.from_arrays(
            [
                pa.array(message_ids, pa.string()),
                pa.array(phones, pa.string()),
                sms_type,
                _texts([row.Campaign for row in rows], has_nul=has_nul),
                _texts([row.Content for row in rows], has_nul=has_nul),
                price_vnd,
                send_status,
                send_result,
                status_text,
                pa.array([_STATES[pair] for pair in statuses], pa.string()),
                sent_at,
                _portal_ids([row.SmsId for row in rows]),
            ],
            schema=_PAGE_SCHEMA,
        )
        keys = [f"{message_id}\x1f{phone or ''}" for message_id, phone in zip(message_ids, phones, strict=True)]
        return SentColumns(batch, keys, count_total, rows_received, unnamed)


def _is_odd(rows: Sequence[_Row]) -> bool:
    """Whether a page must be read exactly: a value is missing, has another name, or has lost digits."""
    prices, ids = _raw_prices(rows), [row.ReferenceId or row.RefercenceId for row in rows]
    return (
        None in prices
        or None in [row.Phone for row in rows]
        or None in [row.SendStatus for row in rows]
        or None in ids
        or float in set(map(type, ids))
        or _is_beyond_floats(prices)
    )


def _raw_prices(rows: Sequence[_Row]) -> list[Any]:
    return [row.Sellprice if row.SellPrice is None else row.SellPrice for row in rows]


def _is_beyond_floats(prices: list[Any]) -> bool:
    """Whether a price was parsed as a double that cannot represent all of its digits."""
    try:
        return bool(prices) and max(map(abs, prices)) > _EXACT_FLOAT
    except TypeError:
        return any(isinstance(price, float) and abs(price) > _EXACT_FLOAT for price in prices)


class _States(dict[tuple[int | None, int | None], str]):
    """A cache of (status, result) -> state."""

    def __missing__(self, pair: tuple[int | None, int | None]) -> str:
        state = state_of_row(*pair).value
        if len(self) < 10_000:  # bounded, in case the gateway sends arbitrary values
            self[pair] = state
        return state


_STATES = _States()


def _exact(value: Any) -> Any:
    """A number that was parsed as a double, as the Decimal of its shortest form."""
    return Decimal(repr(value)) if isinstance(value, float) else value


def _row_of(fields: Fields) -> _Row:
    return _Row(
        ReferenceId=pick(fields, "ReferenceId", "RefercenceId"),
        **{
            name: pick(fields, name)
            for name in _Row.__struct_fields__
            if name not in ("ReferenceId", "RefercenceId", "Sellprice")
        },
    )


def _storable(text: str | None) -> str | None:
    """The text without NUL, which PostgreSQL rejects, and lone surrogates, which UTF-8 cannot encode."""
    return None if text is None else _NOT_STORABLE.sub("\ufffd", text)


# Each of the functions below converts the values of a column, at once if they have the usual form, else one by one.
_ODD = (AttributeError, TypeError, ValueError, OverflowError, pa.ArrowException)


def _message_ids(rows: Sequence[_Row], *, has_nul: bool) -> tuple[list[str], int]:
    try:
        usual: Sequence[Any] = rows  # with texts as ids; others have no `strip`
        ids: list[Any] = [(row.ReferenceId or row.RefercenceId).strip() for row in usual]
        if all(ids) and not has_nul:
            return ids, 0
    except _ODD:
        pass
    ids = [_storable(wire.as_text(_exact(row.ReferenceId or row.RefercenceId))) for row in rows]
    seen: Counter[str] = Counter()
    for place, message_id in enumerate(ids):
        if message_id is None:
            # Derived from values that do not change with the status, so that the row gets the same id next time.
            row = rows[place]
            about = repr((wire.as_text(_exact(row.SmsId)), row.Campaign, row.Content, wire.as_text(row.Phone)))
            digest = hashlib.blake2b(about.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()
            ids[place] = f"{UNNAMED}{digest}-{seen[digest]}"
            seen[digest] += 1
    return ids, seen.total()


def _phones(values: list[Any]) -> list[str | None]:
    try:
        phones = [value.strip() for value in values]
        together = "".join(phones)
        if set(map(len, phones)) <= {10} and together.isascii() and together.isdigit() and set(together[::10]) <= {"0"}:
            return phones
    except _ODD:
        pass
    return [_phone(wire.as_text(_exact(value))) for value in values]


def _phone(text: str | None) -> str | None:
    """The normalised phone, or the original text if it is not a phone, so that the row is kept."""
    return None if text is None else read_phone(text)[0] or _storable(text)


def _integers(values: list[Any]) -> tuple[pa.Array, list[str | None] | None]:
    """The numbers, and the texts of the values that are none; None if there are no such values."""
    with contextlib.suppress(*_ODD):
        return _whole(values, pa.int32()), None
    with contextlib.suppress(*_ODD):
        return pa.array(values, pa.string()).cast(pa.int32()), None
    numbers: list[int | None] = []
    odd: list[str | None] = []
    for value in values:
        number = wire.as_number(_exact(value))
        whole = isinstance(number, int) and abs(number) <= _MAX_INT32
        numbers.append(int(number) if whole and number is not None else None)
        odd.append(None if whole or value is None else _storable(str(value)))
    return pa.array(numbers, pa.int32()), odd if any(odd) else None


def _whole(values: list[Any], kind: pa.DataType) -> pa.Array:
    """
    Raises:
        ValueError: a value has a decimal point, where Arrow would cut it off.
    """
    if float in set(map(type, values)):
        raise ValueError("not a whole number")
    return pa.array(values, kind)


def _status_text(
    statuses: list[tuple[int | None, int | None]],
    odd_status: list[str | None] | None,
    odd_result: list[str | None] | None,
) -> pa.Array:
    if odd_status is None and odd_result is None:
        return pa.nulls(len(statuses), pa.string())
    none: list[str | None] = [None] * len(statuses)
    return pa.array(
        [
            None
            if odd == (None, None)
            else "/".join(str(spelled or number) for spelled, number in zip(odd, pair, strict=True))
            for odd, pair in zip(zip(odd_status or none, odd_result or none, strict=True), statuses, strict=True)
        ],
        pa.string(),
    )


def _texts(values: list[Any], *, has_nul: bool) -> pa.Array:
    if not has_nul:
        with contextlib.suppress(*_ODD):
            return pa.array(values, pa.string())
    return pa.array(
        [_storable(value if isinstance(value, str) else wire.as_text(_exact(value))) for value in values], pa.string()
    )


def _with_unread(status_text: pa.Array, **odd: list[str | None] | None) -> pa.Array:
    """Append the unparsed values of other columns as `sent_at=...`, so that they are not lost."""
    if not any(odd.values()):
        return status_text
    texts = [[text] if text is not None else [] for text in status_text.to_pylist()]
    for name, spelled in odd.items():
        for place, text in enumerate(spelled or ()):
            if text is not None:
                texts[place].append(f"{name}={_PHONE.sub('***', text)[:_LONGEST_UNREAD]}")
    return pa.array(["; ".join(parts) or None for parts in texts], pa.string())


def _unread(values: list[Any], read: Sequence[object]) -> list[str | None] | None:
    """The texts of the values that could not be parsed; None if there are no such values."""
    odd = [
        None if one is not None or value is None or not str(value).strip() else _storable(str(value))
        for value, one in zip(values, read, strict=True)
    ]
    return odd if any(text is not None for text in odd) else None


def _prices(values: list[Any]) -> tuple[pa.Array, list[str | None] | None]:
    """The prices, and the texts of the values that are none; None if there are no such values."""
    with contextlib.suppress(*_ODD):
        if bool not in set(map(type, values)):  # Arrow reads true as 1
            return pa.array(values, pa.float64()).cast(MONEY), None
    found = [wire.as_price(_exact(value)) for value in values]
    prices = [None if price is None or abs(price) >= _TOO_MUCH else price.quantize(_SMALLEST) for price in found]
    return pa.array(prices, MONEY), _unread(values, prices)


def _times(values: list[Any]) -> tuple[pa.Array, list[str | None] | None]:
    """Milliseconds since 1970 in UTC, and the texts of the values that are no times; None if there are none."""
    try:
        # The usual format: thirteen digits and the offset of Vietnam.
        if _USUAL_DATES.fullmatch("".join(values)) and set(map(len, values)) <= {_USUAL_LENGTH}:
            return pa.array([int(value[6:19]) for value in values], TIME), None
    except _ODD:
        pass
    moments = [wire.as_milliseconds(_exact(value)) for value in values]
    return pa.array(moments, pa.int64()).cast(TIME), _unread(values, moments)


def _portal_ids(values: list[Any]) -> pa.Array:
    try:
        return _whole(values, pa.int64()).cast(pa.string())
    except _ODD:
        return pa.array([_storable(wire.as_text(_exact(value))) for value in values], pa.string())
