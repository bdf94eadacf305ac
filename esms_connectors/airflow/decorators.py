"""
`@task.esms`: a function returns the recipients and the task sends. The rows are not stored in XCom, and each is sent
once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from airflow.sdk import XComArg
from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, _TaskDecorator

from esms_connectors.airflow.base import hide, refuse_in_defaults, reveal
from esms_connectors.airflow.campaigns import CampaignOperator
from esms_connectors.airflow.retry import airflow_errors
from esms_connectors.gateway.errors import InvalidRequestError

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class EsmsDecoratedOperator(DecoratedOperator, CampaignOperator):
    """
    A campaign whose `source` is the return value of a function: rows, a path or a URL. It is called once per try.

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
        # Errors of the function itself are not translated.
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
    """The `values` that the function takes by name; Airflow's own helper for this has moved between versions."""
    parameters = inspect.signature(function).parameters
    taken = set([*parameters][:positional])
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return {name: value for name, value in values.items() if name not in taken}
    return {name: values[name] for name in parameters if name in values and name not in taken}


class _EsmsTaskDecorator(_TaskDecorator[Any, Any, EsmsDecoratedOperator]):
    """Airflow stores the arguments of a mapped task with the DAG, so secret ones are hidden here."""

    def override(self, **kwargs: Any) -> Self:
        """As in every decorated task; arguments are checked and hidden as in the decorator."""
        other: Self = super().override(**_checked({**self.kwargs, **kwargs}))
        return other

    def _expand(self, *args: Any, **kwargs: Any) -> XComArg:
        made: XComArg = super()._expand(*args, **kwargs)
        task: Any = made.operator
        refuse_in_defaults(task.dag, self.operator_class.hidden_arguments)
        # Airflow does this for template fields only.
        for name in self.operator_class.hidden_arguments:
            XComArg.apply_upstream_relationship(task, reveal(self.kwargs.get(name)))
        return made


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("source", "sql"):
        if given.get(name) is not None:
            raise InvalidRequestError(f"{name}: the function returns the recipients.", field=name)
    EsmsDecoratedOperator.check_arguments({name: reveal(value) for name, value in given.items()})
    hidden = EsmsDecoratedOperator.hidden_arguments
    return {name: hide(value) if name in hidden else value for name, value in given.items()}


def esms_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """
    `@task.esms(channel="sms", text="Xin chào {customer_name}", brandname="…")` over a function that returns rows.

    Args:
        kwargs: of `CampaignOperator`; checked when the DAG file is parsed.

    Raises:
        InvalidRequestError: an invalid value, or rows given in addition to the function.
    """
    given = _checked(kwargs)
    multiple_outputs = given.pop("multiple_outputs", False)

    def decorate(function: Callable[..., Any]) -> _EsmsTaskDecorator:
        if not callable(function):
            raise TypeError("No positional arguments allowed while using @task, use named arguments instead")
        return _EsmsTaskDecorator(
            function=function, multiple_outputs=multiple_outputs, operator_class=EsmsDecoratedOperator, kwargs=given
        )

    return cast("TaskDecorator", decorate if python_callable is None else decorate(python_callable))
