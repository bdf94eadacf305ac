"""EsmsClient: one typed method per gateway function."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pendulum import DateTime
from requests.adapters import BaseAdapter

from esms_connectors.gateway import decode, machine_clock, wire
from esms_connectors.gateway import endpoints as catalogue
from esms_connectors.gateway.answers import AnswerReader
from esms_connectors.gateway.arguments import (
    bulk_elements,
    check_callback_url,
    check_campaign,
    check_items,
    check_label,
    check_message_id,
    check_sms_type,
    normalise_phones,
)
from esms_connectors.gateway.clock import GatewayClock
from esms_connectors.gateway.credentials import Credentials
from esms_connectors.gateway.endpoints import Endpoint
from esms_connectors.gateway.errors import (
    ConfigurationError,
    DuplicateRequestError,
    IncompleteAnswerError,
    InvalidRequestError,
    MessageNotFoundError,
)
from esms_connectors.gateway.models import (
    Balance,
    BulkSubmission,
    CallbackData,
    ReceiverStatus,
    SendStatus,
    SentDataPage,
    SentMessage,
    SmsType,
    Submission,
    ZnsRecipient,
    ZnsTemplate,
)
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.gateway.request_ids import IdFact, KnownRequestIds, check_request_id, random_request_id
from esms_connectors.gateway.retry import RetryPolicy
from esms_connectors.gateway.throttle import Throttle
from esms_connectors.gateway.transport import Timeouts, Transport


class EsmsClient:
    """
    The gateway of eSMS.vn. Safe to share between threads; use it as a context manager or call `close`.

    Every send has one of three outcomes. Accepted: a `Submission` comes back. Rejected: a `GatewayError` is raised.
    Unknown: `OutcomeUnknownError` is raised, and only the same request id may go again.

    Args:
        credentials: the key pair.
        base_url: scheme and host; plain http on loopback only.
        sandbox: messages are checked, not sent. A function without a sandbox flag is refused then, because it would
            send for real.
        timeouts, retries: see `Timeouts` and `RetryPolicy`.
        throttle: requests per second, or a `Throttle` shared with other workers; None for no limit.
        max_connections: sockets a host, the number of threads that use the client.
        proxy: URL of an HTTP proxy; None takes the environment's.
        ca_bundle: CA certificates to trust instead of the system's. Verification cannot be switched off.
        adapter: a transport adapter of `requests` in the network's place, for tests.
        now: this machine's clock. What depends on the gateway's goes by the time in its answers.

    Raises:
        ConfigurationError: keys, base URL, proxy or CA bundle cannot be used.
    """

    def __init__(
        self,
        credentials: Credentials,
        base_url: str = catalogue.DEFAULT_BASE_URL,
        *,
        sandbox: bool = False,
        timeouts: Timeouts | None = None,
        retries: RetryPolicy | None = None,
        throttle: float | Throttle | None = None,
        max_connections: int = 16,
        proxy: str | None = None,
        ca_bundle: str | Path | None = None,
        adapter: BaseAdapter | None = None,
        now: Callable[[], DateTime] | None = None,
    ) -> None:
        if not isinstance(sandbox, bool):
            raise ConfigurationError("sandbox takes True or False: anything else might send for real.")
        if not isinstance(retries, RetryPolicy | None) or not isinstance(timeouts, Timeouts | None):
            raise ConfigurationError("retries takes a RetryPolicy, timeouts takes Timeouts.")
        self.sandbox = sandbox
        self._transport = Transport(
            credentials,
            base_url,
            timeouts=timeouts or Timeouts(),
            retries=retries or RetryPolicy(),
            throttle=throttle,
            max_connections=max_connections,
            proxy=proxy,
            ca_bundle=ca_bundle,
            environ=os.environ,
            adapter=adapter,
            now=now or machine_clock.now,
        )

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """
        A client for `ESMS_API_KEY`, `ESMS_SECRET_KEY`, `ESMS_BASE_URL` (optional) and `ESMS_SANDBOX` (optional).

        Args:
            settings: any argument of the constructor; it goes before the environment.

        Raises:
            ConfigurationError: a key is missing, or a value cannot be understood.
        """
        credentials = settings.pop("credentials", None) or Credentials.from_env(os.environ)
        settings.setdefault("base_url", os.environ.get("ESMS_BASE_URL") or catalogue.DEFAULT_BASE_URL)
        settings.setdefault("sandbox", sandbox_from_text(os.environ.get("ESMS_SANDBOX", "")))
        return cls(credentials, **settings)

    @property
    def base_url(self) -> str:
        return self._transport.base_url

    @property
    def clock(self) -> GatewayClock:
        """The gateway's time, as far as its answers have told it."""
        return self._transport.clock

    @property
    def longest_call_seconds(self) -> float:
        """No call of this client lasts longer, repeats included."""
        return self._transport.longest_call_seconds

    def learn_time(self) -> None:
        """One reading call for the gateway's time, unless `clock` knows it; what goes wrong is not told."""
        self._transport.learn_time()

    def only_while(self, may_leave: Callable[[], bool]) -> Self:
        """
        The same client, which asks before each attempt, once its connection is ready and before its first byte leaves.

        Waiting for the limit of requests or for a connection may take long, a machine may sleep meanwhile, and whoever
        was allowed to send may not be any more. On False nothing leaves: `NotAllowedToLeaveError`, or
        `OutcomeUnknownError` when an earlier attempt of the same call may have been taken.

        Args:
            may_leave: quick, called in the thread of the call.
        """
        view = copy.copy(self)
        view._transport = self._transport.only_while(may_leave)
        return view

    @property
    def account(self) -> str:
        """A hash that tells this account at this gateway from any other."""
        return self._transport.account

    @property
    def request_ids(self) -> KnownRequestIds:
        """Where a second request with the id of an earlier one was seen to be held back; any 124 shows it."""
        return self._transport.request_ids

    def without_repeats(self) -> Self:
        """The same client, which never sends again what may have been taken, request ids or not."""
        view = copy.copy(self)
        view._transport = self._transport.without_repeats()
        return view

    def resume(self) -> None:
        """Let calls through again after 101, 103 or 140 stopped this client."""
        self._transport.stop.reset()

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        # Also of one that is half made: error trackers show it when its constructor fails.
        transport, sandbox = getattr(self, "_transport", None), getattr(self, "sandbox", None)
        return f"EsmsClient({getattr(transport, 'base_url', '?')}, sandbox={sandbox})"

    # --- sending -----------------------------------------------------------------------------------------------------

    def send_customer_care_sms(
        self,
        phone: str,
        content: str,
        brandname: str,
        *,
        is_unicode: bool | None = None,
        send_at: datetime | None = None,
        campaign: str | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send one customer-care SMS.

        Args:
            phone: a Vietnamese mobile number in any spelling.
            content: must match a template registered for the brandname, else the gateway answers 146.
            brandname: the registered sender ID.
            is_unicode: None decides by the text: everything outside ASCII needs Unicode.
            send_at: aware time of sending, None for now.
            campaign: at most 254 characters; comes back in the sent data.
            callback_url: gets the delivery report.
            request_id: at most 50 characters; one is made up when it is missing, which protects this call's own
                repeats only.

        Raises:
            InvalidRequestError: an argument cannot be sent; nothing was.
            GatewayError, NotSentError, OutcomeUnknownError: see there.

        Source: send-otp-customer-care-message (SendMultipleMessage_V4_post_json).
        """
        endpoint = catalogue.SEND_CUSTOMER_CARE_SMS
        check_label(brandname, "brandname")
        wire.check_text(content, "content")
        return self._send(
            endpoint,
            {
                "Phone": normalise_phone(phone),
                "Content": content,
                "Brandname": brandname,
                "SmsType": str(SmsType.CUSTOMER_CARE.value),
                "IsUnicode": wire.flag(not content.isascii() if is_unicode is None else is_unicode),
                **self._options(endpoint, send_at=send_at, campaign=campaign, callback_url=callback_url),
            },
            request_id,
        )

    def send_customer_care_sms_xml(
        self,
        phones: Sequence[str],
        content: str,
        brandname: str,
        *,
        sms_type: SmsType = SmsType.CUSTOMER_CARE,
        send_at: datetime | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send one text to many numbers over the XML route, customer care or advertising.

        There is no sandbox, and a lost answer is never repeated: the founding page knows no request id here. Prefer
        `send_customer_care_sms` and `send_advertising_sms`.

        Args:
            phones: each number once; 30 to 5000 of them for advertising.
            sms_type: CUSTOMER_CARE or ADVERTISING.
            content, brandname, send_at, callback_url, request_id: as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError: also for a character that XML cannot carry.
            GatewayError, NotSentError, OutcomeUnknownError: see there.

        Source: send-customer-care-message-using-post-text (SendMultipleMessage_V4).
        """
        endpoint = catalogue.SEND_CUSTOMER_CARE_SMS_XML
        if sms_type not in (SmsType.CUSTOMER_CARE, SmsType.ADVERTISING):
            raise InvalidRequestError("sms_type must be CUSTOMER_CARE or ADVERTISING here.", field="sms_type")
        sms_type = SmsType(sms_type)
        limits = catalogue.SEND_ADVERTISING_SMS
        smallest = limits.min_items if sms_type is SmsType.ADVERTISING else 1
        numbers = normalise_phones(phones, smallest, limits.max_items)
        check_label(brandname, "brandname")
        wire.check_text(content, "content")
        options = self._options(endpoint, send_at=send_at, callback_url=callback_url)
        request_id = random_request_id() if request_id is None else check_request_id(request_id)
        # The order of the sample.
        fields = {
            "CONTENT": content,
            "SMSTYPE": str(sms_type.value),
            "BRANDNAME": brandname,
            "REQUESTID": request_id,
            "SENDDATE": options.get("SendDate"),
            "CALLBACKURL": options.get("CallbackUrl"),
        }
        return self._submit(
            endpoint,
            {name: text for name, text in fields.items() if text is not None},
            request_id,
            len(numbers),
            numbers,
        )

    def send_advertising_sms(
        self,
        phones: Sequence[str],
        content: str,
        brandname: str,
        *,
        send_at: datetime | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send one advertising text to 30 to 5000 numbers, under one message id for the whole batch.

        The gateway reviews the campaign before it goes out. Arguments as in `send_customer_care_sms`; each number once.

        Raises:
            InvalidRequestError: also for fewer than 30 or more than 5000 numbers.
            GatewayError, NotSentError, OutcomeUnknownError: see there.

        Source: send-advertising-message (SendMultipleSMSBrandname_json).
        """
        endpoint = catalogue.SEND_ADVERTISING_SMS
        numbers = normalise_phones(phones, endpoint.min_items, endpoint.max_items)
        check_label(brandname, "brandname")
        wire.check_text(content, "content")
        return self._send(
            endpoint,
            {
                "Phones": numbers,
                "Content": content,
                "Brandname": brandname,
                "SmsType": str(SmsType.ADVERTISING.value),
                **self._options(endpoint, send_at=send_at, callback_url=callback_url),
            },
            request_id,
            len(numbers),
        )

    def send_zns(
        self,
        phone: str,
        template_id: str,
        oa_id: str,
        template_params: Mapping[str, object],
        *,
        send_at: datetime | None = None,
        campaign: str | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
        sending_mode: int | None = None,
    ) -> Submission:
        """
        Send one ZNS, its values given by name.

        Args:
            template_id, oa_id: ids as text; an OA id has more digits than a float keeps.
            template_params: value by variable name.
            sending_mode: 1 normal, 3 beyond the OA's quota (listed OAs only, never scheduled); None leaves it out.
            phone, send_at, campaign, callback_url, request_id: as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see there.

        Source: send-message-via-zalo (SendZaloMessage_V5_post).
        """
        endpoint = catalogue.SEND_ZNS
        if not isinstance(template_params, Mapping):
            raise InvalidRequestError("template_params takes a value by variable name here.", field="template_params")
        return self._send(
            endpoint,
            {
                "OAID": check_label(oa_id, "oa_id"),
                "Phone": normalise_phone(phone),
                "TempData": [
                    {"key": check_label(name, "template_params"), "value": wire.template_param(value, name)}
                    for name, value in template_params.items()
                ],
                "TempID": check_label(template_id, "template_id"),
                **self._options(
                    endpoint, send_at=send_at, campaign=campaign, callback_url=callback_url, sending_mode=sending_mode
                ),
            },
            request_id,
        )

    def send_zns_journey(
        self,
        phone: str,
        template_id: str,
        oa_id: str,
        template_params: Sequence[object],
        order_id: str,
        *,
        campaign: str | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send one ZNS that belongs to a journey, a priced chain of messages about one order.

        Args:
            template_params: values in the order of the template; a variable used twice is given once.
            order_id: the journey.
            phone, template_id, oa_id, campaign, callback_url, request_id: as in `send_zns`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see there.

        Source: send-journey-zns-message (SendZaloMessage_V4_post_json).
        """
        endpoint = catalogue.SEND_ZNS_JOURNEY
        return self._send(
            endpoint,
            {
                "Phone": normalise_phone(phone),
                "Params": wire.template_params(template_params),
                # A boolean: without it an ordinary ZNS goes out, at another price.
                "IsJourney": True,
                "OrderId": check_label(order_id, "order_id"),
                "TempID": check_label(template_id, "template_id"),
                "OAID": check_label(oa_id, "oa_id"),
                **self._options(endpoint, campaign=campaign, callback_url=callback_url),
            },
            request_id,
        )

    def send_zns_bulk(
        self,
        recipients: Sequence[ZnsRecipient],
        template_id: str,
        oa_id: str,
        *,
        send_at: datetime | None = None,
        campaign: str | None = None,
        callback_url: str | None = None,
        sending_mode: int | None = None,
    ) -> BulkSubmission:
        """
        Send one ZNS each to at most 500 recipients in one call. `esms_connectors.sending.bulk` sends more, and resumes.

        Args:
            recipients: each phone once, because the answer names its rows by phone alone; the same number of params.
            template_id, oa_id, send_at, campaign, callback_url, sending_mode: as in `send_zns`.

        Returns:
            An outcome for every recipient, in the order given. A row that the answer does not account for is
            unknown, whatever the answer says as a whole; with a 124 for the whole call that is every row.

        A lost answer is only repeated where it was seen that request ids are honoured here, see `request_ids`:
        one page of the documentation has them, another does not.

        Raises:
            InvalidRequestError: with the row, counted from 0.
            GatewayError: the call as a whole was refused, and the answer accounts for no row. `nothing_taken` says
                whether that settles them; mostly it does not.
            NotSentError, OutcomeUnknownError: see there; the outcome is that of every row.

        Source: send-personized-message-via-zalo (Send_zns_bulk_v4_post_json).
        """
        endpoint = catalogue.SEND_ZNS_BULK
        elements = bulk_elements(recipients, endpoint)
        numbers, request_ids = ([element[name] for element in elements] for name in ("Phone", "RequestId"))
        fields = {
            "OAID": check_label(oa_id, "oa_id"),
            "TempID": check_label(template_id, "template_id"),
            **self._options(
                endpoint, send_at=send_at, campaign=campaign, callback_url=callback_url, sending_mode=sending_mode
            ),
            "Data": elements,
        }
        try:
            answer = self._transport.call(
                endpoint,
                fields,
                # Not the id of one row, but the fact that every row has one.
                request_id=f"{len(request_ids)} request ids from {request_ids[0]}",
                recipients=len(elements),
                has_rows=decode.has_bulk_rows,
            )
        except DuplicateRequestError as duplicate:
            self._learn_from(duplicate.code, endpoint)
            # Of one row or of all? Whoever knows the answer to that is not the caller, and some may have been accepted.
            rows = decode.rows_in_doubt(numbers, request_ids, duplicate)
            return BulkSubmission.of(rows, sandbox=self.sandbox, attempts=duplicate.attempts)
        rows = decode.bulk_rows(answer, numbers, request_ids)
        for refusal in decode.account_refusals(endpoint, rows):
            self._transport.stop.trip(refusal)
        if any(row.code == "124" for row in rows):
            self._learn_from("124", endpoint)
        return BulkSubmission.of(rows, sandbox=self.sandbox, attempts=answer.attempts, refusal=answer.refusal)

    # --- reading -----------------------------------------------------------------------------------------------------

    def get_sms_sent_data_page(
        self, start: datetime, end: datetime, sms_type: SmsType | int, *, page: int = 1, page_size: int = 500
    ) -> SentDataPage:
        """
        One page of the messages of one type that were created from `start` to `end`.

        Pages are no snapshot: rows move between them while messages are created. An empty range gives an empty page,
        also when the gateway answers 105.

        Args:
            start, end: aware; the gateway is told Vietnamese local time in whole seconds. Whether the second of `end`
                belongs to the range is not documented.
            sms_type: exactly one; the gateway has no "all".
            page: counted from 1.
            page_size: 1 to 500.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see there; reading again is safe.

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
        The members of one page as they came, for who reads them another way than into objects.

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
            return self._transport.call(endpoint, fields, read=read).fields
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
            One `SentMessage` a recipient; `price_vnd` is a Decimal, `sent_at` is aware.

        Raises:
            IncompleteAnswerError: fewer different rows came than any page announced, or rows came twice and no page
                announced a number: the rows moved while they were read. Raised behind the last row.
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see there; reading again is safe.

        Source: get-the-message-status (GetSmsSentData_V2), 500 rows a page at most.
        """
        # Hashes of the keys: rows that move give one row twice and another never, so only different rows count.
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
            # An empty page, or a gateway that gives the same page again and again.
            if len(seen) == known:
                break
            # A full page may be followed by another, whatever CountTotal says; so may one that proves it wrong.
            if total is not None and len(seen) <= total <= number * page_size and page.rows_received < page_size:
                break
            number += 1
        received = len(seen)
        expected = rows if announced is None or announced < received else announced
        if received < expected:
            raise IncompleteAnswerError(
                f"get_sms_sent_data announced {expected} rows and gave {received} different ones: something changed "
                "while pages were read. Read the window again.",
                expected=expected,
                received=received,
                endpoint=catalogue.GET_SMS_SENT_DATA.name,
            )

    def get_send_status(self, message_id: str) -> SendStatus:
        """
        The totals of one message id, of the last 7 days.

        Raises:
            MessageNotFoundError: unknown, too early, too old, or a sandbox id. No proof that it was not sent.
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see there.

        Source: get-sms-by-smsid (GetSendStatus).
        """
        answer = self._transport.call(catalogue.GET_SEND_STATUS, {"RefId": check_message_id(message_id)})
        return decode.send_status(answer.fields, message_id)

    def get_sms_receiver_status(self, message_id: str) -> tuple[ReceiverStatus, ...]:
        """
        The recipients of one message id, of the last 7 days. Judge them only once `get_send_status` is final.

        Raises:
            MessageNotFoundError: as in `get_send_status`.
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see there.

        Source: get-message-details (GetSmsReceiverStatus_get).
        """
        answer = self._transport.call(catalogue.GET_SMS_RECEIVER_STATUS, {"RefId": check_message_id(message_id)})
        return decode.receiver_statuses(answer.fields)

    def get_balance(self) -> Balance:
        """
        The money left on the account. Reads only, so it is also the way to try the keys.

        Raises:
            AuthenticationError, AddressNotAllowedError: the keys or this machine's address are refused.
            GatewayError, NotSentError, OutcomeUnknownError: see there.

        Source: get-balance (GetBalance_json).
        """
        return decode.balance(self._transport.call(catalogue.GET_BALANCE, {}))

    def get_callback_data(self, message_ids: Sequence[str], oa_id: str) -> CallbackData:
        """
        Delivery reports of ZNS that were sent with a callback URL, asked for 200 ids at a time.

        Args:
            message_ids: any number; they must all belong to `oa_id`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see there.

        Source: get-callback-data (GetCallback).
        """
        endpoint = catalogue.GET_CALLBACK_DATA
        check_label(oa_id, "oa_id")
        if isinstance(message_ids, str):
            raise InvalidRequestError("message_ids takes a list of ids, not one text.", field="message_ids")
        asked = list(dict.fromkeys(check_message_id(message_id) for message_id in message_ids))
        reports = {}
        # More than the limit would be dropped without a word.
        size = endpoint.max_items or len(asked)
        for first in range(0, len(asked), size):
            batch = asked[first : first + size]
            answer = self._transport.call(endpoint, {"ListRefid": batch, "OAId": oa_id})
            reports.update(decode.delivery_reports(answer.fields))
        return CallbackData(reports=reports, missing=tuple(one for one in asked if one not in reports))

    def get_zns_template(self, template_id: str, oa_id: str) -> ZnsTemplate:
        """
        One registered ZNS template with its variables and their limits.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see there.

        Source: get-zalo-template-details (GetZnsTemplateInfo).
        """
        answer = self._transport.call(
            catalogue.GET_ZNS_TEMPLATE,
            {"TemplateId": check_label(template_id, "template_id"), "OAId": check_label(oa_id, "oa_id")},
        )
        return decode.zns_template(answer.fields, template_id)

    # --- what all sends share ----------------------------------------------------------------------------------------

    def _options(
        self,
        endpoint: Endpoint,
        *,
        send_at: datetime | None = None,
        campaign: str | None = None,
        callback_url: str | None = None,
        sending_mode: int | None = None,
    ) -> dict[str, str]:
        """The optional members, spelled the gateway's way; the sandbox flag is always there where there is one."""
        options: dict[str, str] = {}
        if endpoint.sandbox_field is not None:
            options[endpoint.sandbox_field] = wire.flag(self.sandbox)
        elif self.sandbox:
            raise InvalidRequestError(
                f"{endpoint.name} has no sandbox flag and would send for real. Use another function, or a client "
                "without sandbox.",
                field="sandbox",
            )
        if sending_mode is not None:
            if sending_mode not in (1, 3):
                raise InvalidRequestError("sending_mode is 1 (normal) or 3 (beyond the quota).", field="sending_mode")
            if sending_mode == 3 and send_at is not None:
                raise InvalidRequestError("sending_mode 3 cannot be scheduled: leave out send_at.", field="send_at")
            options["SendingMode"] = str(sending_mode)
        if send_at is not None:
            options["SendDate"] = wire.local_time(send_at, "send_at")
        if campaign is not None:
            options["campaignid"] = check_campaign(campaign)
        if callback_url is not None:
            options["CallbackUrl"] = check_callback_url(callback_url)
        return options

    def _send(
        self, endpoint: Endpoint, fields: Mapping[str, Any], request_id: str | None, recipients: int = 1
    ) -> Submission:
        # Made before the first attempt, so that every attempt of this call carries the same.
        request_id = random_request_id() if request_id is None else check_request_id(request_id)
        return self._submit(endpoint, {**fields, "RequestId": request_id}, request_id, recipients)

    def _submit(
        self,
        endpoint: Endpoint,
        fields: Mapping[str, Any],
        request_id: str,
        recipients: int,
        phones: Sequence[str] = (),
    ) -> Submission:
        sent_to = [str(fields[name]) for name in ("Phone",) if name in fields] or phones or fields.get("Phones", ())
        try:
            answer = self._transport.call(endpoint, fields, request_id=request_id, phones=phones, recipients=recipients)
        except DuplicateRequestError as duplicate:
            self._learn_from(duplicate.code, endpoint)
            # An earlier attempt won. The answer has no message id, so the id stays unknown.
            return Submission(
                endpoint=endpoint.name,
                request_id=request_id,
                message_id=wire.not_echoed(duplicate.message_id, sent_to),
                duplicate=True,
                sandbox=self.sandbox,
                attempts=duplicate.attempts,
            )
        return Submission(
            endpoint=endpoint.name,
            request_id=request_id,
            message_id=wire.not_echoed(wire.as_text(wire.pick(answer.fields, "SMSID")), sent_to),
            sandbox=self.sandbox,
            attempts=answer.attempts,
        )

    def _learn_from(self, code: str, endpoint: Endpoint) -> None:
        """124 comes of a gateway that looks at request ids; what the sandbox remembers is not documented."""
        if code == "124" and not self.sandbox:
            self.request_ids.learn(endpoint, IdFact(True, self.clock.latest()))


def sandbox_from_text(text: str) -> bool:
    """
    `ESMS_SANDBOX` as a bool; empty means live.

    Raises:
        ConfigurationError: a word that might mean either. Guessing wrong would send for real.
    """
    match text.strip().casefold():
        case "1" | "true" | "yes" | "on":
            return True
        case "" | "0" | "false" | "no" | "off":
            return False
    raise ConfigurationError("ESMS_SANDBOX must be 1 or 0 (or true or false).")
