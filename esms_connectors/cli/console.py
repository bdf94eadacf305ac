"""Tables and progress with rich, which is slow to import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment

from esms_connectors.cli.language import tr
from esms_connectors.cli.terminal import printable


class Console(rich.console.Console):
    """
    A rich console whose own control codes (colours, progress bars) are the only ones printed. Printed strings are
    messages for humans and are translated.
    """

    def print(self, *objects: Any, **how: Any) -> None:
        super().print(*(tr(one) if isinstance(one, str) else one for one in objects), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
