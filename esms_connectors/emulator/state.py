"""State of the emulated gateway: accounts, messages, request ids.

Messages are stored in parallel columns: one `SentRow` each (with exactly the members of get_sms_sent_data, so that a
page is encoded without conversion), and one shared `Submission` per accepted request. One lock guards everything.
"""

from __future__ import annotations

import heapq
import threading
from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence

from .accounts import AccountState
from .config import SMS_TYPE_ADVERTISING, EmulatorConfig
from .message_ids import MessageIds
from .progress import DELIVERED, FAILED, REJECTED, Clock, Fates, Timeline, local_day
from .records import (
    AT_OPERATOR,
    FIRST_PORTAL_ID,
    ON_REVIEW,
    QUEUED,
    RESULT_DELIVERED,
    RESULT_FAILED,
    RESULT_UNKNOWN,
    SENT,
    STATUS_REJECTED,
    Fallback,
    Message,
    Recipient,
    SentRow,
    Submission,
    Totals,
)
from .time_index import TimeIndex

# Functions that share an address of the gateway; every other one has its own.
_SHARED_ADDRESS = {
    "send_fixed_number_sms": "send_customer_care_sms",
    "make_voice_otp_call": "send_customer_care_sms",
    "send_zns_full_template": "send_customer_care_sms",
    "send_fixed_number_sms_get": "send_customer_care_sms_get",
    "send_viber_get": "send_customer_care_sms_get",
    "send_zns_form": "send_customer_care_sms_form",
    "send_zns_v4": "send_zns_journey",
    "send_zalo_consulting_buttons": "send_zalo_consulting_photo",
    "send_zalo_transaction": "send_zalo_consulting_photo",
    "send_zalo_user_info_request": "send_zalo_consulting_photo",
}


class State:
    """The store. Hold `lock` around several steps that must be atomic; every method acquires it itself."""

    def __init__(self, config: EmulatorConfig, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.lock = threading.RLock()
        self.ids = MessageIds(config.seed)
        self.fates = Fates(config.seed, config.progress)
        self.accounts = {account.api_key: AccountState(account) for account in config.accounts}
        self.blocked_phones = set(config.blocked_phones)
        self.rows: list[SentRow] = []
        self.created = array("q")
        self.submission_of: list[Submission] = []
        self.request_id_of: list[str | None] = []
        self.indexes: dict[tuple[str, int], TimeIndex] = {}
        self.by_state: Counter[tuple[int, int]] = Counter()
        self.finished: deque[int] = deque()
        """Numbers of messages whose callback is due; taken by the callback worker."""
        self.later_failures: dict[int, tuple[int, str]] = {}
        """Message number -> Zalo's (error, message), for messages that were accepted but will fail."""
        self.switched: dict[int, int] = {}
        """Number of a failed multi-channel message -> number of its second attempt under the same SMSID."""
        self.unlisted: set[int] = set()
        """Numbers of messages that get_sms_sent_data no longer lists."""
        self.sandbox_count = 0
        self.shortcode_count = 0
        self.delivery_calls = (0, 0)
        """(second, calls of get_zns_delivery_status in it)."""
        self._submission_count = 0
        self._due: list[tuple[int, int]] = []
        self._pinned: dict[int, int] = {}

    # -- accepting ------------------------------------------------------------------------------------------------

    def add(
        self, submission: Submission, recipients: Sequence[Recipient], *, request_id: str | None = None
    ) -> list[str]:
        """
        Store the messages of an accepted request, charge the account, record the request ids.

        Args:
            request_id: id of the whole request (the recipients may have their own instead).

        Returns:
            The message ids, one per recipient in order; a single one when the submission shares its id.
        """
        with self.lock:
            first = len(self.rows)
            submission.first, submission.count, submission.open = first, len(recipients), len(recipients)
            submission.number = self._submission_count
            self._submission_count += 1
            account = self.accounts[submission.api_key]
            account.charge(submission.price_vnd * len(recipients))
            index = self.index(submission.api_key, submission.listed_type)
            price, portal_id, sms_type = float(submission.price_vnd), self.portal_id(submission), submission.listed_type
            status = ON_REVIEW if submission.sms_type == SMS_TYPE_ADVERTISING else QUEUED
            sent_time = f"/Date({submission.created_ms}+0700)/"
            shared = self.ids.text(first, submission.sms_type)
            ids = [shared] if submission.shared_id else []
            for number, (phone, content, own_request_id, later_failure) in enumerate(recipients, first):
                message_id = shared
                if not submission.shared_id:
                    message_id = self.ids.text(number, submission.sms_type)
                    ids.append(message_id)
                self.rows.append(
                    SentRow(
                        submission.campaign,
                        content,
                        phone,
                        message_id,
                        price,
                        RESULT_UNKNOWN,
                        status,
                        sent_time,
                        portal_id,
                        sms_type,
                    )
                )
                self.created.append(submission.created_ms)
                self.submission_of.append(submission)
                self.request_id_of.append(own_request_id or request_id)
                index.add(submission.created_ms, number)
                if own_request_id:
                    account.request_ids[self.request_key(submission.function, own_request_id)] = number
                if later_failure:
                    self.later_failures[number] = later_failure
                next_ms = self.state_at(self.timeline(number), submission.created_ms)[2]
                self.schedule(number, submission.created_ms if next_ms is None else next_ms)
            if request_id:
                account.request_ids[self.request_key(submission.function, request_id)] = first
            self.by_state[status, RESULT_UNKNOWN] += len(recipients)
            self._forget_old_request_ids(account)
            return ids

    @staticmethod
    def portal_id(submission: Submission) -> int:
        """`SmsId`: shared by all rows of a request, so not a row key."""
        return FIRST_PORTAL_ID + submission.number

    def index(self, api_key: str, listed_type: int) -> TimeIndex:
        """The time index of one account and message type."""
        return self.indexes.setdefault((api_key, listed_type), TimeIndex())

    def next_submission_number(self) -> int:
        """Take the next submission number (only `populate` needs it; `add` takes its own)."""
        with self.lock:
            self._submission_count += 1
            return self._submission_count - 1

    def next_sandbox_id(self, sms_type: int) -> str:
        """An SMSID that is unknown to later calls."""
        with self.lock:
            self.sandbox_count += 1
            return self.ids.sandbox_text(self.sandbox_count, sms_type)

    # -- request ids ----------------------------------------------------------------------------------------------

    def request_key(self, function: str, request_id: str) -> str:
        """The key under which a request id blocks: the id alone, or with the address of the function."""
        if self.config.quirks.request_id_scope == "account":
            return request_id
        return f"{_SHARED_ADDRESS.get(function, function)} {request_id}"

    def earlier(self, account: AccountState, function: str, request_id: str, now_ms: int) -> int | None:
        """The use of a RequestId within the window: a message number, -1 for a refusal, None if unused."""
        used = account.request_ids.get(self.request_key(function, request_id))
        if used is None or not self._blocks(used, now_ms):
            return None
        return max(used, -1)

    def burn(self, account: AccountState, function: str, request_id: str, now_ms: int) -> None:
        """Record the id of a refused request as used."""
        key = self.request_key(function, request_id)
        account.request_ids.pop(key, None)
        account.request_ids[key] = -now_ms

    def _blocks(self, used: int, now_ms: int) -> bool:
        used_ms = self.created[used] if used >= 0 else -used
        if self.config.duplicate_window == "calendar_day":
            return local_day(used_ms) == local_day(now_ms)
        return now_ms - used_ms < 86_400_000

    def _forget_old_request_ids(self, account: AccountState) -> None:
        now_ms = self.clock.now_ms()
        # Oldest first, because a dict keeps insertion order; a reused id only means that fewer are dropped.
        while account.request_ids:
            oldest = next(iter(account.request_ids))
            if self._blocks(account.request_ids[oldest], now_ms):
                return
            del account.request_ids[oldest]

    # -- progress -------------------------------------------------------------------------------------------------

    def timeline(self, number: int) -> Timeline:
        """When this message changes; a pure function of the seed, its number and its creation."""
        submission = self.submission_of[number]
        line = self.fates.timeline(
            number, submission.first, submission.sms_type, self.created[number], submission.send_at_ms
        )
        if number in self.later_failures:
            fails_ms = line.sent_ms + self.fates.of(number).report_ms
            return line._replace(final_ms=fails_ms, outcome=FAILED)
        return line

    def settle(self) -> None:
        """Update all messages to the current time. The cost depends only on the changes since the last call."""
        with self.lock:
            due, now_ms = self._due, self.clock.now_ms()
            while due and due[0][0] <= now_ms:
                _, number = heapq.heappop(due)
                if number not in self._pinned:
                    self._bring_up_to(number, now_ms)

    def state_at(self, timeline: Timeline, now_ms: int) -> tuple[int, int, int | None]:
        """(SendStatus, SendResult, time of the next change or None) of a message with this timeline."""
        if timeline.final_ms is not None and now_ms >= timeline.final_ms:
            if timeline.outcome == DELIVERED:
                return SENT, RESULT_DELIVERED, None
            return (SENT if timeline.outcome == FAILED else STATUS_REJECTED), RESULT_FAILED, None
        if now_ms < timeline.queued_ms:
            return ON_REVIEW, RESULT_UNKNOWN, timeline.queued_ms
        if timeline.outcome == REJECTED:
            return QUEUED, RESULT_UNKNOWN, timeline.final_ms
        if now_ms < timeline.sent_ms:
            return QUEUED, RESULT_UNKNOWN, timeline.sent_ms
        return AT_OPERATOR, RESULT_UNKNOWN, timeline.final_ms

    def _bring_up_to(self, number: int, now_ms: int) -> None:
        timeline = self.timeline(number)
        status, result, next_ms = self.state_at(timeline, now_ms)
        row = self.rows[number]
        if status in (AT_OPERATOR, SENT) and row.SendStatus not in (AT_OPERATOR, SENT):
            row.SentTime = f"/Date({timeline.sent_ms}+0700)/"
        self._put(number, status, result)
        if next_ms is not None:
            self.schedule(number, next_ms)

    def schedule(self, number: int, due_ms: int) -> None:
        """Schedule the next update of this message."""
        heapq.heappush(self._due, (due_ms, number))

    def _put(self, number: int, status: int, result: int) -> None:
        row, submission = self.rows[number], self.submission_of[number]
        was_open = row.SendStatus not in (SENT, STATUS_REJECTED)
        self.by_state[row.SendStatus, row.SendResult] -= 1
        self.by_state[status, result] += 1
        row.SendStatus, row.SendResult = status, result
        is_open = status not in (SENT, STATUS_REJECTED)
        submission.open += is_open - was_open
        if was_open and not is_open:
            if submission.callback_url:
                self.finished.append(number)
            if submission.fallback is not None and result == RESULT_FAILED:
                self._switch(number, submission.fallback)

    def _switch(self, number: int, fallback: Fallback) -> None:
        """Make the second attempt of a multi-channel message, after the first has failed."""
        submission, recipient = fallback
        # A status set by hand may precede the message's own final time.
        now_ms, final_ms = self.clock.now_ms(), self.timeline(number).final_ms
        submission.created_ms = now_ms if final_ms is None else min(now_ms, final_ms)
        submission.switched_from = self.rows[number].ReferenceId
        second = len(self.rows)
        self.add(submission, [recipient])
        if self.config.quirks.fallback_id == "same":
            self.rows[second].ReferenceId = submission.switched_from
            self.switched[number] = second

    def put_status(self, number: int, send_status: int, send_result: int) -> None:
        """Set a message's status by hand; its own progress ends there."""
        with self.lock:
            self.settle()
            self._pinned[number] = self.clock.now_ms()
            self._put(number, send_status, send_result)

    # -- reading --------------------------------------------------------------------------------------------------

    def numbers_of(self, message_id: str, api_key: str | None = None) -> range:
        """The messages with this id (several for a shared one); empty if there are none."""
        number = self.ids.number(message_id)
        with self.lock:
            if number is None or number >= len(self.rows):
                return range(0)
            submission = self.submission_of[number]
            if self.rows[number].ReferenceId != message_id.strip() or api_key not in (None, submission.api_key):
                return range(0)
            number = self.switched.get(number, number)
            return range(number, number + submission.count) if submission.shared_id else range(number, number + 1)

    def totals(self, numbers: range) -> Totals:
        """Counters of these messages, which belong to one request."""
        with self.lock:
            states = Counter((self.rows[number].SendStatus, self.rows[number].SendResult) for number in numbers)
        rejected = states[STATUS_REJECTED, RESULT_FAILED]
        return Totals(
            receivers=len(numbers),
            sent=sum(count for (status, _), count in states.items() if status in (SENT, AT_OPERATOR)),
            succeeded=states[SENT, RESULT_DELIVERED],
            failed=states[SENT, RESULT_FAILED] + rejected,
            on_review=sum(count for (status, _), count in states.items() if status <= ON_REVIEW),
            queued=states[QUEUED, RESULT_UNKNOWN],
            rejected=rejected,
            price_vnd=self.submission_of[numbers[0]].price_vnd * len(numbers),
        )

    def _delivered_ms(self, number: int) -> int | None:
        if (pinned_ms := self._pinned.get(number)) is not None:
            row = self.rows[number]
            return pinned_ms if (row.SendStatus, row.SendResult) == (SENT, RESULT_DELIVERED) else None
        line = self.timeline(number)
        return line.final_ms if line.outcome == DELIVERED else None

    def message(self, number: int) -> Message:
        """One message as it is now."""
        row, submission = self.rows[number], self.submission_of[number]
        return Message(
            number=number,
            message_id=row.ReferenceId,
            phone=row.Phone,
            content=row.Content,
            function=submission.function,
            sms_type=submission.sms_type,
            campaign=row.Campaign,
            brandname=submission.brandname,
            oa_id=submission.oa_id,
            template_id=submission.template_id,
            request_id=self.request_id_of[number],
            created_ms=self.created[number],
            send_at_ms=submission.send_at_ms,
            send_status=row.SendStatus,
            send_result=row.SendResult,
            price_vnd=submission.price_vnd,
            callback_url=submission.callback_url,
            switched_from=submission.switched_from,
            delivered_ms=self._delivered_ms(number),
        )

    def messages(self) -> Iterator[Message]:
        """Every message in order of acceptance, up to date at the start of the iteration."""
        self.settle()
        for number in range(len(self.rows)):
            yield self.message(number)

    def page(
        self, api_key: str, listed_type: int, from_ms: int, to_ms: int, page: int, page_size: int, *, newest_first: bool
    ) -> tuple[int, list[SentRow]]:
        """(rows in the window, rows of this page); `page` counts from 1. Call it under the lock."""
        index = self.index(api_key, listed_type)
        low, high = index.window(from_ms, to_ms)
        skipped = (page - 1) * page_size
        if newest_first:
            end = max(low, high - skipped)
            numbers = index.numbers[max(low, end - page_size) : end]
            numbers.reverse()
        else:
            begin = min(high, low + skipped)
            numbers = index.numbers[begin : min(high, begin + page_size)]
        rows = self.rows
        return max(0, high - low), [rows[number] for number in numbers]
