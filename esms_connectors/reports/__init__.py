"""
Reports on a period for business users, made from the warehouse and the ledger.

`make_report` computes the numbers, `write_report` writes them to a file: HTML, XLSX, Markdown, CSV, Parquet or JSON.
"""

# Imported first: it raises a one-line error that names the missing extra.
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
