"""
What the operators, the sensor and the transfers share: arguments hidden from Airflow, and an orderly shutdown.

Airflow shows template fields to every user and stores the arguments of mapped tasks with the DAG. Phones, texts and
addresses that may hold a password must not appear there, so they are rendered here, when the task runs. Values that
come from data (from XCom through `expand` or `expand_kwargs`) are never rendered: otherwise a template in a customer's
name could read the connections.
"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, XComArg
from airflow.sdk.bases.operator import BaseOperatorMeta
from airflow.sdk.definitions.mappedoperator import MappedOperator, OperatorPartial

from esms_connectors.airflow.framework import AirflowFailException
from esms_connectors.airflow.literals import arguments_of, check_literals, is_literal
from esms_connectors.airflow.retry import ESMS_RETRY_POLICY, airflow_errors
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.interrupts import repeated_interrupts

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import DAG
    from airflow.sdk.definitions.context import Context


class EndedFromOutside(SystemExit):
    """
    Airflow ended the task. On a `SystemExit` Airflow checks whether the task has retries, for the case of a worker
    shutdown; for a task that a user has marked it does not.
    """


class Hidden:
    """A value that is shown as ***, wherever Airflow stores or prints it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __str__(self) -> str:
        return "***"

    __repr__ = __str__


class HiddenRows(Hidden):
    """Rows of recipients; only their number is shown."""

    def __str__(self) -> str:
        return f"<{len(self.value)} rows>"

    __repr__ = __str__


def hide(value: Any) -> Any:
    """Wrap `value` so that it is not shown; a list of rows becomes `HiddenRows`."""
    if value is None or isinstance(value, Hidden):
        return value
    if isinstance(value, list | tuple) and value and all(isinstance(row, Mapping) for row in value):
        return HiddenRows(value)
    return Hidden(value)


def reveal(value: Any) -> Any:
    """The value that `hide` wrapped."""
    return value.value if isinstance(value, Hidden) else value


class _EsmsTaskMeta(BaseOperatorMeta):
    """The worker builds a mapped task's operator from data: errors are handled as in `execute`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not kwargs.get("_airflow_from_mapped"):
            return super().__call__(*args, **kwargs)
        try:
            return super().__call__(*args, **kwargs)
        except InvalidRequestError as error:
            problem = str(error)
        except TypeError:
            # Airflow's message contains the values.
            if not (problem := _unknown_words(self, kwargs)):
                raise
        raise AirflowFailException(problem)


def _unknown_words(kind: Any, names: Iterable[str]) -> str:
    """Which of the names are no arguments of the operator; empty if all are."""
    known = {name for one in kind.__mro__ for name in inspect.signature(one.__init__).parameters}
    strange = sorted(set(names) - known - {"_airflow_from_mapped"})
    return f"{kind.__name__} has no argument {' or '.join(strange)}." if strange else ""


class EsmsTask(BaseOperator, metaclass=_EsmsTaskMeta):
    """
    Attributes:
        hidden_arguments: templated arguments that are not template fields; each is stored in an attribute of its name
            with a leading underscore.
        one_of_these: arguments of which exactly one must be given, and the error message otherwise.
        may_be_missing: arguments that may be None because the task that they come from returned nothing.
    """

    hidden_arguments: ClassVar[Sequence[str]] = ()
    one_of_these: ClassVar[tuple[Sequence[str], str]] = ((), "")
    may_be_missing: ClassVar[Sequence[str]] = ()
    _from_data: frozenset[str] = frozenset()
    _ends_on_kill: bool = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # After super().__init__, which applies a policy from default_args.
        if getattr(self, "retry_policy", None) is None and ESMS_RETRY_POLICY is not None:
            self.retry_policy = ESMS_RETRY_POLICY

    def hide_arguments(self, **values: Any) -> None:
        """
        Store the values and set the tasks that they come from upstream, as Airflow does for template fields.

        Raises:
            InvalidRequestError: one of them is in the DAG's default_args, which Airflow stores unmasked.
        """
        refuse_in_defaults(self.dag if self.has_dag() else None, values)
        for name, value in values.items():
            setattr(self, f"_{name}", reveal(value))
            XComArg.apply_upstream_relationship(self, reveal(value))

    def check_given(self) -> None:
        """
        Check the literal arguments in the DAG file; called at the end of every `__init__`.

        Raises:
            InvalidRequestError: an invalid value, or not exactly one of the arguments in `one_of_these`.
        """
        given = {name: self._given(name) for name in arguments_of(type(self))}
        self.check_arguments(given)
        both = [given.get(name) for name in ("ledger_conn_id", "ledger_url")]
        if all(both) and is_literal(both):
            raise InvalidRequestError("Give ledger_conn_id or ledger_url, not both.", field="ledger_url")
        names, problem = self.one_of_these
        # Not compared with ==, which is ambiguous for a data frame.
        said = [one for name in names if (one := given[name]) is not None and not (isinstance(one, str) and not one)]
        # One of two templates may turn out empty when the task runs.
        open_yet = len(said) > 1 and any(isinstance(one, str) and not is_literal(one) for one in said)
        if names and len(said) != 1 and not open_yet:
            raise InvalidRequestError(problem, field=names[0])

    @classmethod
    def check_arguments(cls, given: Mapping[str, Any]) -> None:
        """As `check_given`, for arguments given by name."""
        check_literals(cls, given)

    def _given(self, name: str) -> Any:
        if name == "dry_run":  # every operator has a method of that name
            return self.plan_only
        return getattr(self, f"_{name}" if name in self.hidden_arguments else name, None)

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """As in every operator, but values that must not be shown are hidden from the stored DAG."""
        made = super().partial(**kwargs)
        made._expand_called = True  # its replacement below warns if it is never mapped
        defaults = [getattr(made.kwargs.get(one), "default_args", None) or {} for one in ("dag", "task_group")]
        refuse_in_defaults(made.kwargs.get("dag"), cls.hidden_arguments)
        cls.check_arguments({**defaults[0], **defaults[1], **made.kwargs})
        hiding = _HidingPartial(operator_class=made.operator_class, kwargs=made.kwargs, params=made.params)
        hiding.kwargs.update(_hidden(hiding, hiding.kwargs))
        return hiding

    @contextmanager
    def working(self) -> Iterator[None]:
        """Wrap all work of a task: translate core errors into Airflow's, and stop when Airflow asks for it."""
        self._ends_on_kill = True
        try:
            with repeated_interrupts(EndedFromOutside, self._end_again), airflow_errors(self):
                yield
        finally:
            self._ends_on_kill = False

    def on_kill(self) -> None:
        """
        Stop the work, as Ctrl-C does: calls not yet started are dropped, calls in flight are settled.

        Airflow calls this in a signal handler when the task is marked or cleared or the worker shuts down, and kills
        the process five seconds later. A second call must not interrupt the draining that the first one started.
        """
        if self._ends_on_kill:
            self._ends_on_kill = False
            raise EndedFromOutside

    def _end_again(self) -> None:
        self._ends_on_kill = True
        os.kill(os.getpid(), signal.SIGTERM)

    def rendered(self, name: str, context: Context) -> Any:
        """
        The value of a hidden argument, its templates rendered to text unless it came from data.

        Raises:
            InvalidRequestError: a template fails or uses a missing value. The message of such an error may quote
                values, so only its type is reported.
        """
        value = getattr(self, f"_{name}")
        if name in self._from_data or value is None:
            return value

        def checked(found: Any) -> Any:
            if found is None:
                raise _MissingValueError
            return found

        # Never a native environment: it turns texts that look like Python numbers, such as "1_000", into numbers.
        try:
            found = render(value, context, self._template_env().overlay(finalize=checked))
            if _is_missing(value, found):
                raise _MissingValueError
            return found
        except _MissingValueError:
            problem = (
                f"{name} is the word None or contains it: its template used a missing value, such as the XCom of a "
                "task that was skipped."
            )
        except Exception as error:  # noqa: BLE001 - a template may do anything
            problem = f"The template of {name} fails ({type(error).__name__})."
        raise InvalidRequestError(problem, field=name)

    def _template_env(self) -> jinja2.Environment:
        env: jinja2.Environment
        env = self.dag.get_template_env(force_sandboxed=True) if self.has_dag() else self.get_template_env()
        return env

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        from jinja2 import Undefined, UndefinedError

        # Airflow calls this for the unmapped task. It skips values that came through `expand`, but not those that came
        # through `expand_kwargs`.
        if parent is self:
            self._from_data = _arguments_from_data(self, context)
            template_fields = [name for name in template_fields if name not in self._from_data]
        fields = [*template_fields]
        given = {name: getattr(parent, name, None) for name in fields}
        for name in fields:
            try:
                super()._do_render_template_fields(parent, [name], context, jinja_env, seen_oids)
                found = not isinstance(getattr(parent, name, None), Undefined)  # in a native environment
            except UndefinedError:
                found = False
            if not found:
                self._refuse_undefined(name)
        if parent is self:
            with airflow_errors(self):
                self._check_provided(given)
                self.after_rendering()

    def _refuse_undefined(self, name: str) -> None:
        with airflow_errors(self):
            raise InvalidRequestError(
                f"The template of {name} uses a value that does not exist, such as one in the result of a task that "
                "failed, was skipped or was marked as success.",
                field=name,
            )

    def _check_provided(self, given: Mapping[str, Any]) -> None:
        """
        Refuse a missing value that another task should have provided: without its approved plan everybody would be sent
        to, without its run key everybody would be sent to again, without its time the messages would be sent now.
        """
        for name in arguments_of(type(self)):
            if name in given and name not in self.may_be_missing and _is_missing(given[name], getattr(self, name)):
                raise InvalidRequestError(
                    f"{name} is None or contains it: it was to come from a task that returned nothing, such as one "
                    "that failed or was skipped.",
                    field=name,
                )

    def after_rendering(self) -> None:
        """Called once the template fields are rendered, before Airflow reads and shows them."""


class _MissingValueError(Exception):
    """An expression in a template evaluated to None."""


def _is_missing(given: Any, found: Any) -> bool:
    """Whether rendering turned a given value, or one inside a list or a mapping, into None."""
    if found is None or given is None:
        return found is None and given is not None
    if isinstance(given, Mapping) and isinstance(found, Mapping):
        return any(_is_missing(given[name], found[name]) for name in given.keys() & found.keys())
    pairs = isinstance(given, list | tuple) and isinstance(found, list | tuple)
    return pairs and any(map(_is_missing, given, found))


class _HidingPartial(OperatorPartial):
    """Also hides literal values that are mapped over; values of other tasks are only references in the stored DAG."""

    def expand(self, **mapped_kwargs: Any) -> MappedOperator:
        for name, value in mapped_kwargs.items():
            for one in value if isinstance(value, list | tuple) else ():
                self._check({name: one})
        hidden = _names(self)
        hiding = {
            name: [hide(one) for one in value] if name in hidden and isinstance(value, list | tuple) else value
            for name, value in mapped_kwargs.items()
        }
        return self._set_upstream(super().expand(**hiding))

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> MappedOperator:
        if isinstance(kwargs, list | tuple):
            for one in kwargs:
                self._check(one)
                self._check_names(one)
            kwargs = [{**one, **_hidden(self, one)} if isinstance(one, Mapping) else one for one in kwargs]
        return self._set_upstream(super().expand_kwargs(kwargs, strict=strict))

    def _check(self, given: Any) -> None:
        self._expand_called = True  # no "never mapped" warning beside the error
        check = getattr(self.operator_class, "check_arguments", None)
        if check is not None and isinstance(given, Mapping):
            check({**{name: reveal(value) for name, value in self.kwargs.items()}, **given})

    def _check_names(self, given: Any) -> None:
        """Check the names in one literal row of `expand_kwargs`."""
        if not isinstance(given, Mapping):
            return
        problem = _unknown_words(self.operator_class, given)
        defaults = [getattr(self.kwargs.get(one), "default_args", None) or {} for one in ("dag", "task_group")]
        there = {*self.kwargs, *given, *defaults[0], *defaults[1]}
        needed = (name for name, needed in arguments_of(self.operator_class).items() if needed)
        if not problem and (missing := next((name for name in needed if name not in there), None)):
            problem = f"{self.operator_class.__name__} needs {missing}, which a row of expand_kwargs does not have."
        if problem:
            raise InvalidRequestError(problem, field="kwargs")

    def _set_upstream(self, task: MappedOperator) -> MappedOperator:
        # As Airflow does for template fields, including those in lists and mappings.
        mapped = task.expand_input.value
        rows = [mapped] if isinstance(mapped, Mapping) else mapped if isinstance(mapped, list) else []
        for given in (self.kwargs, *(row for row in rows if isinstance(row, Mapping))):
            for name in _names(self) & set(given):
                values = given[name] if isinstance(given[name], list) else [given[name]]
                XComArg.apply_upstream_relationship(task, [reveal(one) for one in values])
        return task


def refuse_in_defaults(dag: DAG | None, names: Iterable[str]) -> None:
    """
    Refuse hidden arguments in default_args, except values that are entirely a template and addresses without a
    password.
    """
    from esms_connectors.airflow.connections import holds_password

    for name in names:
        value = (dag.default_args if dag is not None else {}).get(name)
        template = isinstance(value, str) and value.startswith("{{") and value.endswith("}}")
        address = isinstance(value, str) and name in _ADDRESSES and not holds_password(value)
        if value is not None and not template and not address:
            raise InvalidRequestError(
                f"default_args has {name}, which Airflow would store and show: set it on the task itself.",
                field=name,
            )


_ADDRESSES = ("ledger_url", "warehouse")


def _names(partial: OperatorPartial) -> set[str]:
    # `source` is a template field, but a list of rows in it must be hidden.
    return {*getattr(partial.operator_class, "hidden_arguments", ()), "source"}


def _hidden(partial: OperatorPartial, given: Mapping[str, Any]) -> dict[str, Any]:
    # A path or a URL in `source` is not secret.
    return {
        name: hide(value)
        for name, value in given.items()
        if name in _names(partial) and not (name == "source" and not isinstance(value, list | tuple))
    }


def render(value: Any, context: Context, env: jinja2.Environment) -> Any:
    """Render as Airflow does; results of other tasks are looked up but not rendered."""
    if isinstance(value, str):
        return env.from_string(value).render(context)
    if isinstance(value, list | tuple | set):
        return [render(one, context, env) for one in value]
    if isinstance(value, dict):
        return {name: render(one, context, env) for name, one in value.items()}
    # A path has a `resolve` too, with another meaning.
    resolve = None if isinstance(value, os.PathLike) else getattr(value, "resolve", None)
    return value if resolve is None else resolve(context)


def _arguments_from_data(task: BaseOperator, context: Context) -> frozenset[str]:
    """
    Names of the arguments whose values come from another task: those of a mapped task that are not in the DAG file.
    """
    mapped = task.dag.task_dict.get(task.task_id) if task.has_dag() else None
    if not isinstance(mapped, MappedOperator):
        return frozenset()
    given = mapped.expand_input.value
    if isinstance(given, Mapping):
        return frozenset(name for name, value in given.items() if hasattr(value, "resolve"))
    if isinstance(given, Sequence) and isinstance(given[context["ti"].map_index or 0], Mapping):
        return frozenset()
    # All rows came from one task: a value that is not identical to one in the DAG file may be data.
    defaults = [getattr(one, "default_args", None) or {} for one in (task.dag, mapped.task_group)]
    literals = [mapped.partial_kwargs, *defaults]
    names = {*task.template_fields, *getattr(task, "hidden_arguments", ())}
    return frozenset(
        name
        for name in names
        if not any(_value_of(task, name) is reveal(literal.get(name)) for literal in literals if name in literal)
    )


def _value_of(task: BaseOperator, name: str) -> Any:
    return reveal(getattr(task, f"_{name}" if name in getattr(task, "hidden_arguments", ()) else name, None))
