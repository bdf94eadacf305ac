"""A report in a few values, for task results, log lines and notifications."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from esms_connectors.reports.language import Language, get_language
from esms_connectors.reports.model import Report
from esms_connectors.reports.writing import render_report


def summary_of(report: Report, language: str = "en") -> dict[str, Any]:
    """
    Plain values that JSON can hold, without a phone.

    Returns:
        `complete`; `warnings`, sentences about missing data; `headline`, figure -> value or None.
    """
    about = json.loads(render_report(report, ".json", language=language)[""])
    return {
        "complete": about["complete"],
        "warnings": [note["text"] for note in about["notes"] if note["warning"]],
        "headline": {name: figure["value"] for name, figure in about["headline"].items()},
    }


def in_short(report: Report, language: Language) -> str | None:
    """The first sentence of a page; None if there are no messages and no note says so."""
    for note in report.notes:
        if note.name == "nothing":
            return language.note(note)
    figures = {figure.name: figure for figure in report.headline}
    wanted = ("messages", "delivered", "delivered_share", "cost")
    if any(name not in figures for name in wanted) or not figures["messages"].value:
        return None
    told = {name: language.cell(figures[name].kind, figures[name].value) for name in wanted}
    return language.word("page.in_short").format(share=told["delivered_share"], **told)


def message_of(report: Report, files: Sequence[str], language: str = "en") -> tuple[str, list[str]]:
    """Subject and lines of a notification about a report, without phones; `files`: where the report is."""
    words = get_language(language)
    lines = [one for one in (in_short(report, words),) if one]
    for figure in report.headline:
        if figure.name == "budget_used":
            lines.append(f"{words.figure(figure.name)}: {words.cell(figure.kind, figure.value)}.")
    lines += [f"{words.word('attention')}: {words.note(note)}" for note in report.notes if note.warning]
    return f"{words.word('title')}: {words.period(report.period)}", [*lines, *files]
