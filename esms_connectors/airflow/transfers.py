"""The scheduled export: loads every status row of a data interval into a warehouse, and late rows again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import Asset

from esms_connectors.airflow.arguments import number, read_types, whole_number
from esms_connectors.airflow.base import EsmsTask
from esms_connectors.airflow.hooks import DEFAULT_CONN_ID, EsmsHook, mask
from esms_connectors.airflow.links import EsmsReportLink
from esms_connectors.airflow.warehouse import WAREHOUSE, export_span, opened_warehouse, warehouse_address

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk.definitions.context import Context

    from esms_connectors.airflow.lineage import DataTransfer

SENT_MESSAGES = Asset(name="esms_sent_messages", uri="esms://rest.esms.vn/sent-data")
"""The asset that the export updates, unless it is given other `outlets`."""


class SentMessagesToWarehouseOperator(EsmsTask):
    """
    Load what was sent in the data interval, and reload messages that were not final before.

    Loading a window twice changes nothing, so retries, clears and backfills are safe, and an interrupted load
    continues.

    Args:
        warehouse: `duckdb:///file`, `postgresql://…`, `s3://bucket/prefix?format=parquet`, a folder, or `dlt://…`;
            `s3://connection@bucket/prefix` uses that connection's credentials. Templated and never shown: it may hold a
            password.
        warehouse_conn_id: a connection instead: `postgres` or `mysql`; `duckdb`, `generic` or `fs` with the file as
            host, schema or `path` of the extra.
        start, end: the span, with a zone or as words such as `-7d`, `yesterday` and `today` (days in Vietnam, relative
            to when the run was due). None loads the data interval and what is missing before it. A run without an
            interval, such as that of a cron trigger, loads what is missing up to the last midnight in Vietnam.
        sms_types: the types to load; all if empty.
        phone, content: how personal data is stored: phones plain, hashed, masked or omitted, and with or without texts.
            A warehouse must keep to one form.
        secret: key for hashed phones; defaults to `ledger_secret` of the eSMS connection. Templated and never shown.
        follow_up: reload windows with rows that were not final, for up to `max_age_days`. Backfill runs leave this to
            the run of the latest interval.
        threads: number of concurrent requests.
        report_url: target of the task's link "eSMS report"; the account at eSMS.vn if None.

    Returns (XCom):
        Span and counts of rows and states; separately, in `follow_up`, those of reloaded windows outside the span. The
        asset event has the same values.
    """

    template_fields: Sequence[str] = ("start", "end", "sms_types", "warehouse_conn_id", "esms_conn_id", "report_url")
    hidden_arguments: ClassVar[Sequence[str]] = ("warehouse", "secret")
    one_of_these: ClassVar[tuple[Sequence[str], str]] = WAREHOUSE
    template_fields_renderers: ClassVar[dict[str, str]] = {"sms_types": "json"}
    operator_extra_links = (EsmsReportLink(),)
    ui_color = "#f6efdc"
    _transfer: DataTransfer | None = None

    def __init__(
        self,
        *,
        warehouse: str | None = None,
        warehouse_conn_id: str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        sms_types: Sequence[int] | str = (),
        phone: Literal["plain", "hashed", "masked", "omitted"] = "plain",
        content: bool = True,
        secret: str | None = None,
        follow_up: bool = True,
        max_age_days: float = 14,
        threads: int = 8,
        report_url: str | None = None,
        esms_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        if not kwargs.get("outlets"):
            kwargs["outlets"] = [SENT_MESSAGES]
        super().__init__(**kwargs)
        self.warehouse_conn_id = warehouse_conn_id
        self.start = start
        self.end = end
        self.sms_types = sms_types
        self.phone = phone
        self.content = content
        self.follow_up = follow_up
        self.max_age_days = number(max_age_days, "max_age_days")
        self.threads = whole_number(threads, "threads")
        self.report_url = report_url
        self.esms_conn_id = esms_conn_id
        self.hide_arguments(warehouse=warehouse, secret=secret)
        self.check_given()

    def execute(self, context: Context) -> dict[str, Any]:
        with self.working():
            return self._load(context)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Lineage from the sent data to the table; see `esms_connectors.airflow.lineage`."""
        from esms_connectors.airflow.lineage import operator_lineage

        return operator_lineage(self._transfer)

    def _load(self, context: Context) -> dict[str, Any]:
        from datetime import timedelta

        from esms_connectors.airflow.arguments import text
        from esms_connectors.airflow.lineage import SENT_DATA, DataTransfer, warehouse_dataset
        from esms_connectors.gateway.errors import InvalidRequestError
        from esms_connectors.sent_data.windows import ALL_SMS_TYPES
        from esms_connectors.warehouse import Privacy
        from esms_connectors.warehouse.loading import load_planned
        from esms_connectors.warehouse.planning import plan_load
        from esms_connectors.warehouse.privacy import PhoneForm

        start, end = export_span(context, self.start, self.end)
        hook = EsmsHook(self.esms_conn_id)
        secret = text(self.rendered("secret", context), "secret") or hook.settings().ledger_secret
        mask(secret)
        if self.phone != "plain" and not secret:
            raise InvalidRequestError(
                f"phone={self.phone!r} needs a secret to distinguish rows: give secret, or ledger_secret in the eSMS "
                "connection, and keep it as long as the warehouse.",
                field="secret",
            )
        privacy = Privacy(
            phone=PhoneForm(self.phone), secret=secret if self.phone != "plain" else None, content=self.content
        )
        types = read_types(self.sms_types) or ALL_SMS_TYPES
        max_age = timedelta(days=self.max_age_days)
        address = warehouse_address(self.warehouse_conn_id, text(self.rendered("warehouse", context), "warehouse"))
        with (
            opened_warehouse(address) as warehouse,
            hook.get_conn(max_connections=max(16, self.threads)) as client,
        ):
            plan = plan_load(
                warehouse,
                start=start,
                end=end,
                scheduled=getattr(context.get("dag_run"), "run_after", None),
                # An explicit span is loaded as given; a data interval is one of a series.
                with_missing=self.start in (None, ""),
                follow_up=None if self.follow_up and start is not None else self.follow_up,
                max_age=max_age,
                sms_types=types,
            )
            summary = load_planned(client, warehouse, plan, privacy=privacy, threads=self.threads)
            self.log.info("%s: %s", warehouse.name, summary)
        from esms_connectors.warehouse.contract import COLUMNS, MESSAGES

        self._transfer = DataTransfer(SENT_DATA, warehouse_dataset(address, MESSAGES), summary.rows, COLUMNS[MESSAGES])
        # In the time zone given; earlier if preceding days were missing.
        begun, ended = start if start == plan.start else plan.start, end or plan.end
        result = {"start": (begun or plan.start).isoformat(), "end": ended.isoformat(), **summary.as_dict()}
        events = context["outlet_events"]
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                events[outlet].extra = dict(result)
        return result


class TakeSnapshotOperator(EsmsTask):
    """
    Record the current state of the account: balance, quota and quality of Zalo accounts, templates, and new ratings;
    each in a separate table (`esms_balances`, ...), for alerts and trends.

    Args:
        warehouse, warehouse_conn_id: as in `SentMessagesToWarehouseOperator`.
        tables: any of balances, oa_quota, templates and ratings; all if empty.
        content: False omits the comments that customers wrote with their ratings.

    Returns (XCom):
        Table -> rows written.
    """

    template_fields: Sequence[str] = ("tables", "warehouse_conn_id", "esms_conn_id")
    hidden_arguments: ClassVar[Sequence[str]] = ("warehouse",)
    one_of_these: ClassVar[tuple[Sequence[str], str]] = WAREHOUSE
    template_fields_renderers: ClassVar[dict[str, str]] = {"tables": "json"}
    ui_color = "#f6efdc"

    def __init__(
        self,
        *,
        warehouse: str | None = None,
        warehouse_conn_id: str | None = None,
        tables: Sequence[str] | str = (),
        content: bool = True,
        esms_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.warehouse_conn_id = warehouse_conn_id
        self.tables = tables
        self.content = content
        self.esms_conn_id = esms_conn_id
        self.hide_arguments(warehouse=warehouse)
        self.check_given()

    def execute(self, context: Context) -> dict[str, int]:
        with self.working():
            return self._take(context)

    def _take(self, context: Context) -> dict[str, int]:
        from esms_connectors.airflow.arguments import text
        from esms_connectors.warehouse.snapshots import SNAPSHOT_TABLES, check_tables, take_snapshot

        given = [self.tables] if isinstance(self.tables, str) and self.tables else self.tables
        asked = check_tables(given or SNAPSHOT_TABLES)
        address = warehouse_address(self.warehouse_conn_id, text(self.rendered("warehouse", context), "warehouse"))
        with opened_warehouse(address) as warehouse, EsmsHook(self.esms_conn_id).get_conn() as client:
            written = take_snapshot(client, warehouse, tables=asked, content=self.content)
            self.log.info("%s: %s", warehouse.name, written)
        return written
