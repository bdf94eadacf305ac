"""A link from a task to its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

ACCOUNT_PAGE = "https://account.esms.vn/"


class EsmsReportLink(BaseOperatorLink):
    """
    Links to `report_url` of the task, else to that of `[esms]` in Airflow's configuration, else to the account at
    eSMS.vn, where the messages are listed.

    The gateway has no page for one campaign. The link is computed in the worker when the task ends, so templates are
    rendered.
    """

    name = "eSMS report"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        url = str(getattr(operator, "report_url", None) or _configured(ti_key) or ACCOUNT_PAGE).strip()
        # Users click this link, so other schemes are refused.
        return url if url.lower().startswith(("https://", "http://")) else ACCOUNT_PAGE


def _configured(ti_key: Any) -> str:
    """`[esms] report_url`, with the names of this task instance in it."""
    from esms_connectors.airflow.hooks import configured

    url = configured("report_url") or ""
    for name in ("dag_id", "run_id", "task_id"):
        url = url.replace(f"{{{name}}}", quote(str(getattr(ti_key, name, "")), safe=""))
    return url
