"""
Reports for people who do not read logs, made from the warehouse and the ledger.

`make_report` has the numbers, `write_report` puts them into a file: HTML, XLSX, Markdown, CSV, Parquet or JSON.
"""

# First, because it says on one line which extra is missing.
from esms_connectors.reports import language as language
from esms_connectors.reports.builder import make_report
from esms_connectors.reports.model import Report
from esms_connectors.reports.writing import render_report, write_report

__all__ = [
    "Report",
    "make_report",
    "render_report",
    "write_report",
]
