"""An operator that calls any gateway function by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from esms_connectors.airflow.base import EsmsTask
from esms_connectors.airflow.hooks import DEFAULT_CONN_ID, EsmsHook

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.ledger import Ledger


class EsmsOperator(EsmsTask):
    """
    Call any function of the gateway: read a quota, send a Viber message, make a call, register a template.

    Calls that send or charge go through the ledger (`ledger_conn_id` or `ledger_url`, here, in the eSMS connection or
    as `[esms] ledger_url`), so retries, crashes and Clear never make the call twice. A call whose answer was lost is
    repeated only if its request id is certain to prevent a second one, and never if it charges.

    Args:
        operation: a name such as `get_oa_quota`; `esms call --help` lists them. Not templated: it is checked, together
            with the names of the arguments, when the DAG file is parsed.
        arguments: by name, as plain values; templated if they are literals in the DAG file, and never shown. Values
            from XCom are not rendered.
        call_key: distinguishes calls of one run with the same recipient, such as an order number; for mapped tasks.
        run_key: identifies the call in the ledger; derived from dag, run and task if None.
        resend_on_clear: clearing the task after a success repeats the call.
        show_phones: store the answer's phones unmasked in XCom, where every user can read them.

    Returns (XCom):
        The answer as JSON without keys, phones masked; `called_by_this_try` is False if an earlier try made the call.

    Raises:
        InvalidRequestError: when the DAG is parsed: an unknown operation or argument, or a missing one.
    """

    ui_color = "#dff3e4"
    template_fields: Sequence[str] = ("call_key", "run_key", "esms_conn_id", "ledger_conn_id")
    hidden_arguments: ClassVar[Sequence[str]] = ("arguments", "ledger_url")

    def __init__(
        self,
        *,
        operation: str,
        arguments: Mapping[str, Any] | None = None,
        call_key: str | None = None,
        esms_conn_id: str = DEFAULT_CONN_ID,
        ledger_conn_id: str | None = None,
        ledger_url: str | None = None,
        run_key: str | None = None,
        resend_on_clear: bool = False,
        show_phones: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.operation = operation
        self.call_key = call_key
        self.esms_conn_id = esms_conn_id
        self.ledger_conn_id = ledger_conn_id
        self.run_key = run_key
        self.resend_on_clear = resend_on_clear
        self.show_phones = show_phones
        arguments = {} if arguments is None else arguments
        self.hide_arguments(arguments=arguments, ledger_url=ledger_url)
        self.check_given()

    @classmethod
    def check_arguments(cls, given: Mapping[str, Any]) -> None:
        """Also check the operation and its argument names; applies to mapped tasks too."""
        super().check_arguments(given)
        if "operation" in given:
            _check(given["operation"], given.get("arguments"))

    def execute(self, context: Context) -> dict[str, Any]:
        with self.working():
            return self._call(context)

    def _call(self, context: Context) -> dict[str, Any]:
        from contextlib import ExitStack

        import pendulum

        from esms_connectors.airflow.arguments import text
        from esms_connectors.airflow.identity import generation_of, note_done, run_key_of, run_memory_of
        from esms_connectors.sending.operations import call_once, needs_ledger

        hook = EsmsHook(self.esms_conn_id)
        generation = generation_of(context, resend_on_clear=self.resend_on_clear)
        due = getattr(context.get("dag_run"), "run_after", None)
        about: dict[str, Any] = {
            "run_key": run_key_of(context, self.run_key, generation),
            "call_key": text(self.call_key, "call_key"),
            # Relative times mean the same on every try.
            "now": None if due is None else pendulum.instance(due),
            "show_phones": self.show_phones,
        }
        arguments = self.rendered("arguments", context)
        with ExitStack() as stack:
            client, ledger = stack.enter_context(hook.get_conn()), None
            if needs_ledger(client, self.operation):
                ledger_url = text(self.rendered("ledger_url", context), "ledger_url")
                opened = hook.open_ledger(
                    self.ledger_conn_id or None, ledger_url, or_local_file=True, run_memory=run_memory_of(self, context)
                )
                ledger = stack.enter_context(opened)
            self._log_destination(client, ledger)
            result = call_once(client, self.operation, arguments, ledger=ledger, **about)
        note_done(self, context, generation, resend_on_clear=self.resend_on_clear)
        made = result["called_by_this_try"]
        self.log.info("%s: %s", self.operation, "answered" if made else "an earlier try had made the call")
        return result

    def _log_destination(self, client: EsmsClient, ledger: Ledger | None) -> None:
        where = f"{client.base_url} (sandbox)" if client.sandbox else client.base_url
        self.log.info("%s to %s; ledger %s", self.operation, where, "none" if ledger is None else ledger.name)


def _check(operation: str, arguments: Any) -> None:
    """Check what is known before any value; the values may be templates or come from other tasks."""
    from esms_connectors.gateway.operations import check_names, describe_operation

    if isinstance(arguments, Mapping):
        check_names(operation, arguments)
    else:
        describe_operation(operation)
