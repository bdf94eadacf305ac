"""A link from a task to what people read about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

ACCOUNT_PAGE = "https://account.esms.vn/"


class EsmsReportLink(BaseOperatorLink):
    """
    To `report_url` of the task, or else to the account at eSMS.vn, where the messages are listed.

    The gateway has no page for one campaign. Computed in the worker when the task ends, so templates are rendered.
    """

    name = "eSMS report"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        url = str(getattr(operator, "report_url", None) or ACCOUNT_PAGE).strip()
        # It becomes a link that people press.
        return url if url.lower().startswith(("https://", "http://")) else ACCOUNT_PAGE
