"""Validation that the models of campaigns and blocks share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import BeforeValidator

from esms_connectors.gateway.errors import InvalidRequestError


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


IdText = Annotated[str, BeforeValidator(_as_text)]
"""An id of 19 digits, which the UI form and YAML may pass as a number."""


@contextmanager
def value_errors() -> Iterator[None]:
    """Report an error of the core as pydantic expects it from a validator."""
    try:
        yield
    except InvalidRequestError as error:
        raise ValueError(str(error)) from None
