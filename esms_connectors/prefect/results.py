"""
Types of what tasks and flows return: plain JSON, the same in every integration. It is kept in result storage and
contains no phones, texts or keys.
"""

from typing import Any, TypedDict


class SendResult(TypedDict):
    """Outcomes of a campaign's recipients; `run` has all rows under the run key."""

    channel: str
    run_key: str
    campaign: str
    sandbox: bool
    rows: dict[str, Any]
    recipients: int
    accepted: int
    sent_by_this_try: int
    duplicates: int
    rejected: int
    skipped: int
    skipped_by_rule: dict[str, int]
    unknown: int
    held: int
    not_sent: int
    at_other_workers: int
    not_tried: int
    complete: bool
    at_least: float | None
    accepted_share: float
    sent_until: str
    stopped_by: str | None
    run: dict[str, Any]


class CampaignResult(SendResult):
    """Result of `zns_campaign`."""

    account: str
    unsettled: int
    not_in_ledger: int
    shards: int
    shards_passed_over: int


class SmsResult(TypedDict):
    """Result of `send_sms`: one message, accepted or checked in the sandbox."""

    state: str
    message_id: str | None
    message_ids: list[str]
    duplicate: bool
    sandbox: bool
    run_key: str
    accepted: int
    sent_by_this_try: int


class PlanResult(TypedDict):
    """Result of `plan_zns_bulk`."""

    plan: dict[str, Any]
    refusal: str | None
    shards: list[str]
    chunks_per_shard: int
    account: str
    sandbox: bool


class ShardCounts(TypedDict):
    """Result of `send_zns_bulk`."""

    shard: str
    rows: int
    accepted: int
    sent_by_this_try: int
    duplicates: int
    rejected: int
    skipped: int
    settled_before: int


class DeliveryResult(TypedDict):
    """Result of `wait_for_delivery` and `delivery_report`; counts messages, or people if there is a fallback."""

    expected: int
    pending: int
    sent: int
    delivered: int
    failed: int
    rejected: int
    unseen: int
    final: int
    failed_ids: list[str]
    reached: bool


class LoadResult(TypedDict):
    """Result of `load_sent_messages`."""

    windows: int
    rows: int
    inserted: int
    changed: int
    unchanged: int
    regressed: int
    open_rows: int
    states: dict[str, int]


class ExportResult(TypedDict):
    """Result of `daily_sent_messages_export`: counts of its days, and of reloaded windows of other days."""

    windows: int
    first_day: str
    days: int
    rows: int
    inserted: int
    changed: int
    unchanged: int
    regressed: int
    open_rows: int
    follow_up: dict[str, Any]
