"""A report in a few values: what a task hands on, and a log line says."""

from __future__ import annotations

import json
from typing import Any

from esms_connectors.reports.model import Report
from esms_connectors.reports.writing import render_report


def summary_of(report: Report, language: str = "en") -> dict[str, Any]:
    """
    Plain values that JSON can hold, without a phone.

    Returns:
        `complete`; `warnings`, sentences about what the numbers lack; `headline`, figure -> value or None.
    """
    about = json.loads(render_report(report, ".json", language=language)[""])
    return {
        "complete": about["complete"],
        "warnings": [note["text"] for note in about["notes"] if note["warning"]],
        "headline": {name: figure["value"] for name, figure in about["headline"].items()},
    }
