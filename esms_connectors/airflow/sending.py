"""What the operators that send have in common: the connection, the ledger, who the task is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esms_connectors.airflow.base import EsmsTask
from esms_connectors.airflow.hooks import DEFAULT_CONN_ID

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from esms_connectors.airflow.connections import Settings
    from esms_connectors.airflow.hooks import EsmsHook
    from esms_connectors.ledger import Ledger


class SendingOperator(EsmsTask):
    """
    Args:
        esms_conn_id: the eSMS connection.
        ledger_conn_id, ledger_url: the ledger; that of the connection or of `[esms] ledger_url` if None. The URL is
            templated and never shown.
        run_key: names the sends; made of dag, run and task if None.
        resend_on_clear: clearing the task after its success sends again.
        callback_url: gets the delivery reports; that of the connection if None. Templated and never shown.
    """

    ui_color = "#dff3e4"

    def __init__(
        self,
        *,
        esms_conn_id: str = DEFAULT_CONN_ID,
        ledger_conn_id: str | None = None,
        ledger_url: str | None = None,
        run_key: str | None = None,
        resend_on_clear: bool = False,
        callback_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.esms_conn_id = esms_conn_id
        self.ledger_conn_id = ledger_conn_id
        self.run_key = run_key
        self.resend_on_clear = resend_on_clear
        self.hide_arguments(ledger_url=ledger_url, callback_url=callback_url)

    def _open_ledger(self, hook: EsmsHook, context: Context) -> Ledger:
        from esms_connectors.airflow.arguments import text

        return hook.open_ledger(
            self.ledger_conn_id or None, text(self.rendered("ledger_url", context), "ledger_url"), or_local_file=True
        )

    def _callback_to_use(self, settings: Settings, context: Context) -> str | None:
        from esms_connectors.airflow.arguments import text

        return text(self.rendered("callback_url", context), "callback_url") or settings.callback_url
