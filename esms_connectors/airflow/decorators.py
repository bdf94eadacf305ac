"""`@task.esms`: a function says to whom, the task sends. Its rows stand in no XCom, and each person is sent to once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory

from esms_connectors.airflow.base import hide
from esms_connectors.airflow.campaigns import CampaignOperator
from esms_connectors.airflow.retry import airflow_errors
from esms_connectors.gateway.errors import InvalidRequestError

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class EsmsDecoratedOperator(DecoratedOperator, CampaignOperator):
    """
    A campaign whose `source` is what a function returns: rows, or a path or URL. The function is called once a try.

    Args:
        python_callable, op_args, op_kwargs: as in every `@task`.
        The rest as in `CampaignOperator`, without `source` and `sql`.
    """

    custom_operator_name = "@task.esms"
    one_of_these: ClassVar[tuple[Sequence[str], str]] = ((), "")
    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *CampaignOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **CampaignOperator.template_fields_renderers,
    }

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **kwargs)

    def execute(self, context: Context) -> Any:
        from esms_connectors.airflow.sources import hide_rows

        values = {**context, **self.op_kwargs}
        # Errors of the function are its author's, and shown as they are.
        given = self.python_callable(*self.op_args, **_wanted(self.python_callable, len(self.op_args), values))
        with airflow_errors(self):
            if given is None:
                raise InvalidRequestError(
                    f"{self.python_callable.__name__} returned nothing: return a list of rows, a path or a URL.",
                    field="source",
                )
            self.source = hide_rows(given)
        return super().execute(context)


def _wanted(function: Callable[..., Any], positional: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `values` that the function takes by name; Airflow's own look has moved between its versions."""
    parameters = inspect.signature(function).parameters
    taken = set([*parameters][:positional])
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return {name: value for name, value in values.items() if name not in taken}
    return {name: values[name] for name in parameters if name in values and name not in taken}


def esms_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """
    `@task.esms(channel="sms", text="Xin chào {customer_name}", brandname="…")` over a function that returns rows.

    Args:
        kwargs: of `CampaignOperator`; checked when the DAG file is parsed.

    Raises:
        InvalidRequestError: a value that cannot be, or rows given beside the function.
    """
    for name in ("source", "sql"):
        if kwargs.get(name) is not None:
            raise InvalidRequestError(f"{name}: the function returns whom to send to.", field=name)
    EsmsDecoratedOperator.check_arguments(kwargs)
    hidden = EsmsDecoratedOperator.hidden_arguments
    # Airflow stores the arguments of mapped tasks with the DAG.
    shown = {name: hide(value) if name in hidden else value for name, value in kwargs.items()}
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=shown.pop("multiple_outputs", False),
        decorated_operator_class=EsmsDecoratedOperator,
        **shown,
    )
