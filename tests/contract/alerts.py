"""Numbers of an alert in eight spellings: the same two people are told, whoever tells them, and nobody twice."""

from __future__ import annotations

PEOPLE = ("0901000001", "0901000002")
TEXT = "Airflow: nightly failed"
SPELLINGS = (
    "0901000001,0901000002",
    "0901 000 001; 0901 000 002",
    "+84 901 000 001 | +84 901 000 002",
    '["0901000001", "84901000002"]',
    "0901000001\n0901000002",
    "84901000001 84901000002",
    "(0901) 000-001, 0901.000.002",
    "0901000001, 0901000002, +84901000001",
)
