"""
Where status rows go: a DuckDB file, PostgreSQL, Parquet/CSV/JSONL on any file system, or whatever dlt can load.

`open_warehouse(url)` is the way in, `load_sent_messages` pulls into it. A target is a module here that keeps the
contract of `contract.py`; one test suite runs over all of them.
"""
