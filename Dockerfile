# One image for the code location, the UI, the daemon, the receiver and the runs (docs/deploy/containers.md).
# The digest is one of python:3.12-slim-bookworm; `docker buildx imagetools inspect` prints the newest.
FROM python:3.12-slim-bookworm@sha256:782412e85d0f0984994c290652577d4018aff08145c85b262bb63dc0c7522254 AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
WORKDIR /src
COPY deploy/image/requirements.lock ./
RUN /opt/venv/bin/pip install --require-hashes -r requirements.lock
COPY . .
RUN /opt/venv/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
  && /opt/venv/bin/pip install --no-deps /wheels/*.whl \
  && /opt/venv/bin/python -m compileall -q /opt/venv/lib

FROM python:3.12-slim-bookworm@sha256:782412e85d0f0984994c290652577d4018aff08145c85b262bb63dc0c7522254
RUN groupadd --gid 10001 pipeline \
  && useradd --uid 10001 --gid 10001 --home-dir /var/lib/copilot-pipeline --shell /usr/sbin/nologin pipeline \
  && install -d -o 10001 -g 10001 -m 0700 /var/lib/copilot-pipeline
COPY --from=build /opt/venv /opt/venv
COPY deploy/image/dagster.yaml deploy/image/workspace.yaml /opt/dagster/
# HOME and the folder of matplotlib are in /tmp, because the root file system is read-only where it runs. The variable of
# backfills is for the daemon: a backfill continues after a restart of the code location.
ENV PATH=/opt/venv/bin:$PATH \
  PYTHONUNBUFFERED=1 \
  PYTHONDONTWRITEBYTECODE=1 \
  HOME=/tmp \
  MPLCONFIGDIR=/tmp/matplotlib \
  DAGSTER_HOME=/opt/dagster \
  DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR=1 \
  COPILOT_PIPELINE_HOME=/var/lib/copilot-pipeline
WORKDIR /etc/copilot-pipeline
USER 10001:10001
EXPOSE 3000 4000 8800
CMD ["copilot-pipeline", "--help"]
# The code location is the default of the health check; the other services of compose.yaml set their own.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s CMD ["dagster", "api", "grpc-health-check", "-p", "4000"]
