# The service alone: no trainer, no pipelines, no full MLflow. Build from the repository's root:
#   docker build -f deploy/service.Dockerfile --build-arg PIP_EXTRA_INDEX_URL=... .
# psycopg2 is there for a ledger in Postgres. That index must offer torch's CPU build; without one the build fails rather than fetch CUDA.
FROM python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b AS build
ARG PIP_EXTRA_INDEX_URL=""
# serve,otel,arrow for tables over HTTP, which takes 150 MB more.
ARG EXTRAS="serve,otel"
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN python -m venv --without-pip /opt/venv
WORKDIR /build
# Dependencies first, so that a change of code does not fetch them again.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN pip --python /opt/venv/bin/python install -c constraints.txt \
    "$(grep '^torch==' constraints.txt)+cpu" "$(grep '^psycopg2-binary==' constraints.txt)" ".[${EXTRAS}]"
COPY forecaster forecaster
COPY service service
COPY deploy/prune.sh ./
RUN rm -r forecaster/training \
 && pip --python /opt/venv/bin/python install --no-deps --force-reinstall . \
 && sh prune.sh /opt/venv

FROM python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
RUN groupadd --gid 10001 forecaster \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/forecaster --create-home --shell /usr/sbin/nologin forecaster \
 && chmod 0700 /var/lib/forecaster
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/forecaster FORECASTER_HOME=/var/lib/forecaster
USER 10001:10001
WORKDIR /var/lib/forecaster
EXPOSE 8000
CMD ["forecaster", "serve", "--host", "0.0.0.0"]
