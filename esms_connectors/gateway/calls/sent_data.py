"""The rows of all messages of a time range."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from esms_connectors.gateway import decode, wire
from esms_connectors.gateway import endpoints as catalogue
from esms_connectors.gateway.answers import AnswerReader
from esms_connectors.gateway.arguments import check_items, check_sms_type
from esms_connectors.gateway.calls.base import Calls
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import IncompleteAnswerError, InvalidRequestError, MessageNotFoundError
from esms_connectors.gateway.models import SentDataPage, SentMessage, SmsType

_NOT_FOUND = "105"


class SentDataCalls(Calls):
    """Sent data."""

    def get_sms_sent_data_page(
        self, start: datetime, end: datetime, sms_type: SmsType | int, *, page: int = 1, page_size: int = 500
    ) -> SentDataPage:
        """
        One page of the messages of one type that were created from `start` to `end`.

        Pages are not a snapshot: rows move between them while messages are created. An empty range gives an empty page,
        also when the gateway answers 105.

        Args:
            start, end: aware; sent as Vietnamese local time in whole seconds. Whether the second of `end` belongs to
                the range is not documented.
            sms_type: exactly one; the gateway has no "all".
            page: counted from 1.
            page_size: 1 to 500.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`; safe to repeat.

        Source: get-the-message-status (GetSmsSentData_V2).
        """
        answer = self.read_sent_data_page(start, end, sms_type, page=page, page_size=page_size)
        return decode.sent_data_page(answer, page, page_size)

    def read_sent_data_page(
        self,
        start: datetime,
        end: datetime,
        sms_type: SmsType | int,
        *,
        page: int = 1,
        page_size: int = 500,
        read: AnswerReader = wire.read_answer,
    ) -> wire.Fields:
        """
        The unparsed members of one page, for callers that do not need model objects.

        Args:
            read: bytes of the body -> members; raises `wire.UnreadableAnswerError`.
            start, end, sms_type, page, page_size, errors and source: as in `get_sms_sent_data_page`.
        """
        endpoint = catalogue.GET_SMS_SENT_DATA
        if not isinstance(page, int) or not isinstance(page_size, int):
            raise InvalidRequestError("page and page_size are whole numbers.", field="page")
        if page < 1:
            raise InvalidRequestError("page is counted from 1.", field="page")
        check_items(page_size, endpoint, "page_size")
        since, until = wire.local_time(start, "start"), wire.local_time(end, "end")
        if since > until:
            raise InvalidRequestError("start is later than end.", field="start")
        fields = {
            "SmsType": str(check_sms_type(sms_type)),
            "From": since,
            "To": until,
            "Page": page,
            "PageSize": page_size,
        }
        try:
            return self._transport.call(endpoint, fields, read=_consistent(read)).fields
        except MessageNotFoundError:
            return {"CountTotal": 0}

    def get_sms_sent_data(
        self, start: datetime, end: datetime, sms_type: SmsType | int, *, page_size: int = 500
    ) -> Iterator[SentMessage]:
        """
        Yield every message of one type that was created from `start` to `end`, page after page.

        Use a closed window: rows change, and move between pages, while messages are in flight.
        `esms_connectors.sent_data.reader` proves that a window is complete.

        Args:
            start, end, sms_type, page_size: as in `get_sms_sent_data_page`.

        Yields:
            One `SentMessage` per recipient; `price_vnd` is a Decimal, `sent_at` is aware.

        Raises:
            IncompleteAnswerError: there were fewer distinct rows than a page announced, or repeated rows while no page
                announced a number: the rows moved while they were read. Raised after the last row.
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`; safe to repeat.

        Source: get-the-message-status (GetSmsSentData_V2), 500 rows a page at most.
        """
        # Hashes of the row keys: when rows move, one is read twice and another never, so only distinct rows count.
        seen: set[int] = set()
        rows, number, announced = 0, 1, None
        while True:
            page = self.get_sms_sent_data_page(start, end, sms_type, page=number, page_size=page_size)
            yield from page.messages
            known, total = len(seen), page.count_total
            for place, message in enumerate(page.messages):
                # Rows without an id cannot be told apart, so each of them counts.
                nameless = (number, place) if message.message_id is None else None
                seen.add(hash((message.message_id, message.phone, nameless)))
            rows += page.rows_received
            if total is not None:
                announced = max(total, announced or 0)
            # An empty page, or a gateway that repeats the same page.
            if len(seen) == known:
                break
            # Read on after a full page, whatever CountTotal says, and after a page that proves CountTotal wrong.
            if total is not None and len(seen) <= total <= number * page_size and page.rows_received < page_size:
                break
            number += 1
        received = len(seen)
        expected = rows if announced is None or announced < received else announced
        if received < expected:
            raise IncompleteAnswerError(
                f"get_sms_sent_data announced {counted(expected, 'row')} and returned {received} distinct ones: "
                "something changed while pages were read. Read the window again.",
                expected=expected,
                received=received,
                endpoint=catalogue.GET_SMS_SENT_DATA.name,
            )


def _consistent(read: AnswerReader) -> AnswerReader:
    """Reject an answer that says "no messages" and has rows, because neither can be trusted."""

    def read_consistently(body: bytes) -> wire.Fields:
        answer = read(body)
        if wire.as_text(answer.get("CodeResult")) == _NOT_FOUND:
            whole = wire.read_answer(body)
            if wire.pick(whole, "SentData") or wire.as_count(wire.pick(whole, "CountTotal")):
                raise wire.UnreadableAnswerError("code 105, which means no messages, together with messages")
        return answer

    return read_consistently
