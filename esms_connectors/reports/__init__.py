"""
Reports on a period for business users, made from the warehouse and the ledger.

`make_report` computes the numbers, `write_report` writes them to a file: HTML, XLSX, Markdown, CSV, Parquet or JSON.
They need the extra [reports]; `person` and `finding` do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esms_connectors.lazy_names import on_first_use

if TYPE_CHECKING:
    from esms_connectors.reports.builder import make_report
    from esms_connectors.reports.model import Report
    from esms_connectors.reports.writing import render_report, write_report

__all__ = [
    "Report",
    "make_report",
    "render_report",
    "write_report",
]

__getattr__, __dir__ = on_first_use(
    __name__,
    {"Report": "model", "make_report": "builder", "render_report": "writing", "write_report": "writing"},
)
