# Train, backtest (beside statistical models, too), promote, predict, schedule and work: the trainer and MLflow's client,
# not the service. Build as service.Dockerfile says. psycopg2 is there for tables (source.url) and a ledger in Postgres.
FROM python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b AS build
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN python -m venv --without-pip /opt/venv
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN pip --python /opt/venv/bin/python install -c constraints.txt \
    "$(grep '^torch==' constraints.txt)+cpu" "$(grep '^psycopg2-binary==' constraints.txt)" ".[pipelines,baselines]"
COPY forecaster forecaster
COPY pipelines pipelines
RUN pip --python /opt/venv/bin/python install --no-deps --force-reinstall .

FROM python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
RUN groupadd --gid 10001 forecaster \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/forecaster --create-home --shell /usr/sbin/nologin forecaster \
 && chmod 0700 /var/lib/forecaster
COPY --from=build /opt/venv /opt/venv
ARG CODE_COMMIT=""
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 FORECASTER_CODE_COMMIT=$CODE_COMMIT \
    HOME=/var/lib/forecaster FORECASTER_HOME=/var/lib/forecaster \
    MPLCONFIGDIR=/tmp/matplotlib
USER 10001:10001
# Configs and data are mounted below it; relative paths in a config start here.
WORKDIR /srv/forecaster
CMD ["forecaster", "--help"]
