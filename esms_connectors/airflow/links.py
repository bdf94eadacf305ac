"""A link from a task to its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

ACCOUNT_PAGE = "https://account.esms.vn/"


class EsmsReportLink(BaseOperatorLink):
    """
    Links to `report_url` of the task, else to the account at eSMS.vn, where the messages are listed.

    The gateway has no page for one campaign. The link is computed in the worker when the task ends, so templates are
    rendered.
    """

    name = "eSMS report"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        url = str(getattr(operator, "report_url", None) or ACCOUNT_PAGE).strip()
        # Users click this link, so other schemes are refused.
        return url if url.lower().startswith(("https://", "http://")) else ACCOUNT_PAGE
