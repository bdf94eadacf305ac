"""A dlt pipeline as in its documentation: the rest_api source, merge on a primary key, otherwise default settings."""

from __future__ import annotations

from dlt.sources.rest_api import RESTAPIConfig, rest_api_source
from dlt_target import LIBRARIES, pipeline
from measuring import PATH, Job, measure


def load(job: Job) -> int:
    body = job.body(1)
    del body["Page"]
    config: RESTAPIConfig = {
        "client": {"base_url": job.base_url},
        "resource_defaults": {"primary_key": ["ReferenceId", "Phone"], "write_disposition": "merge"},
        "resources": [
            {
                "name": "sent_messages",
                "endpoint": {
                    "path": PATH,
                    "method": "POST",
                    "json": body,
                    "data_selector": "SentData",
                    "paginator": {
                        "type": "page_number",
                        "base_page": 1,
                        "page_body_path": "Page",
                        "total_path": None,
                    },
                },
            }
        ],
    }
    running = pipeline(job)
    # By default dlt writes text files into a folder.
    file_format = "parquet" if job.target == "parquet" else job.file_format or None
    running.run(rest_api_source(config), loader_file_format=file_format)
    return int(running.last_trace.last_normalize_info.row_counts["sent_messages"])


if __name__ == "__main__":
    measure(load, LIBRARIES)
