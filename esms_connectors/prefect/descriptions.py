"""Copies field descriptions from class docstrings into the forms of the UI."""

from __future__ import annotations

import re
from typing import TypeVar

from pydantic import BaseModel

_ATTRIBUTE = re.compile(r"^ {8}(\w+(?:, \w+)*): (.*(?:\n {12,}.*)*)", re.MULTILINE)

M = TypeVar("M", bound=BaseModel)


def described(model: type[M], *, rest: type[BaseModel] | None = None) -> type[M]:
    """
    Describe the fields of `model` as in its docstring, and the others as in that of `rest`. The server stores the
    descriptions with the parameters of a deployment.
    """
    for name, field in model.model_fields.items():
        for source in (model, rest):
            if field.description is None and source is not None:
                field.description = _attributes(source).get(name)
    model.model_rebuild(force=True)
    return model


def _attributes(model: type[BaseModel]) -> dict[str, str]:
    told: dict[str, str] = {}
    for names, words in _ATTRIBUTE.findall(model.__doc__ or ""):
        text = re.sub(r"\s+", " ", words).strip()
        told |= dict.fromkeys(names.split(", "), text[0].upper() + text[1:])
    return told
