# The MLflow server with drivers for Postgres and S3. Of our code it holds what creates the bucket and the ledger's database.
FROM python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN python -m venv --without-pip /opt/venv
WORKDIR /build
COPY constraints.txt ./
RUN grep -E '^(mlflow|psycopg2-binary|boto3)==' constraints.txt > wanted.txt \
 && pip --python /opt/venv/bin/python install -c constraints.txt -r wanted.txt

FROM python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
RUN groupadd --gid 10001 mlflow \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin mlflow
COPY --from=build /opt/venv /opt/venv
COPY --chmod=0555 deploy/create_bucket.py /opt/venv/bin/create-bucket
COPY --chmod=0555 deploy/create_ledger.py /opt/venv/bin/create-ledger
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 10001:10001
WORKDIR /tmp
EXPOSE 5000
CMD ["mlflow", "server", "--help"]
