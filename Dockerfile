# syntax=docker/dockerfile:1
# Three images: `emulator`, and `airflow` and `prefect` with the package and its examples. compose.yaml combines them.
#
#   docker build --target airflow --tag esms-airflow .

ARG PYTHON=3.12
ARG AIRFLOW=3.3.2
ARG PREFECT=3.8.8

FROM python:${PYTHON}-slim AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY esms_connectors esms_connectors
COPY dags_examples dags_examples
COPY flows_examples flows_examples
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /dist . \
 && printf 'phone,customer_name,service,code,date\n%s\n%s\n' \
      '0901888484,Chị Hương,Gội đầu,M1,15/11/2026' '0901888485,Anh Nam,Cắt tóc,M2,15/11/2026' > /customers.csv

FROM python:${PYTHON}-slim AS emulator
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist \
    pip install --no-cache-dir "$(echo /dist/*.whl)[cli,emulator]" \
 && useradd --create-home --uid 1000 esms
USER 1000
EXPOSE 8089
ENTRYPOINT ["esms"]
CMD ["emulator", "--host", "0.0.0.0", "--port", "8089"]

FROM apache/airflow:${AIRFLOW}-python${PYTHON} AS airflow
# Airflow is pinned to the image's version, or pip would replace it. The PostgreSQL driver is the image's.
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist \
    pip install --no-cache-dir "apache-airflow==${AIRFLOW_VERSION}" \
      "$(echo /dist/*.whl)[ledger,duckdb,reports,cli]"
COPY --chown=airflow:root dags_examples /opt/airflow/dags
COPY --chown=airflow:root --from=wheel /customers.csv /opt/airflow/customers.csv

FROM prefecthq/prefect:${PREFECT}-python${PYTHON} AS prefect
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist \
    pip install --no-cache-dir "$(echo /dist/*.whl)[prefect,ledger,postgres,duckdb,reports,emulator,cli]"
WORKDIR /flows
COPY flows_examples /flows
COPY --from=wheel /customers.csv /data/customers.csv
