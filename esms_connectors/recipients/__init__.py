"""
Rows of a file, a query or a list -> clean recipients, one at a time.

`read_recipients` is the entry point; `open_rows` only reads rows. Nothing here sends, and memory does not grow with the
source, except as stated in `read_recipients`.
"""

from typing import TYPE_CHECKING

from esms_connectors.lazy_names import on_first_use

if TYPE_CHECKING:
    from esms_connectors.recipients.columns import Columns
    from esms_connectors.recipients.models import ReadReport, Recipient, Recipients
    from esms_connectors.recipients.queries import SqlQuery
    from esms_connectors.recipients.reading import read_recipients
    from esms_connectors.recipients.rejects import RejectsFile

__all__ = ["Columns", "ReadReport", "Recipient", "Recipients", "RejectsFile", "SqlQuery", "read_recipients"]

__getattr__, __dir__ = on_first_use(
    __name__,
    {
        "ReadReport": "models",
        "Recipient": "models",
        "Recipients": "models",
        "Columns": "columns",
        "SqlQuery": "queries",
        "read_recipients": "reading",
        "RejectsFile": "rejects",
    },
)
