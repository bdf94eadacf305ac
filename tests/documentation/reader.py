"""What a reader of the pages has: customers in a file, visits in a database, a free port."""

from __future__ import annotations

import csv
from pathlib import Path

import pendulum

COLUMNS = ("phone", "customer_name", "service", "code", "date")
CUSTOMERS = 60
VISITS = """
    CREATE TABLE visits (
        visit_id INTEGER PRIMARY KEY, day TEXT, phone TEXT, customer_name TEXT, service TEXT, code TEXT, date TEXT
    );
"""


def phone_of(number: int) -> str:
    return f"0901{number:06d}"


def write_customers(path: Path, day: pendulum.DateTime, *, one_bad: bool = True) -> None:
    """Who came on a day; one of them may be nobody that can be sent to."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(row[2:] for row in visits(day))
        if one_bad:
            writer.writerow(["12", "Khách", "Cắt tóc", "M0", "15/11/2026"])


def visits(day: pendulum.DateTime) -> list[tuple[int, str, str, str, str, str, str]]:
    return [
        (
            number,
            day.to_date_string(),
            phone_of(number),
            f"Khách {number}",
            "Cắt tóc",
            f"M{number}",
            day.format("DD/MM/YYYY"),
        )
        for number in range(1, CUSTOMERS + 1)
    ]
