# One image for the webserver, the daemon and the code server; docker-compose.yml says which command each runs.
FROM python:3.12.13-slim-bookworm AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv && python -m venv /opt/build
COPY requirements/server.txt requirements/build.txt requirements/
RUN /opt/venv/bin/pip install --require-hashes -r requirements/server.txt \
 && /opt/build/bin/pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md ./
COPY taxi_assets taxi_assets
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/venv/bin/pip install --no-deps /wheels/*.whl

FROM python:3.12.13-slim-bookworm
RUN useradd --system --uid 10001 --create-home taxi \
 && install -d -o taxi -g taxi /data /opt/dagster /opt/dagster/storage
COPY --from=build /opt/venv /opt/venv
# Readable by the user below even from a checkout that others cannot read.
COPY --chmod=644 deploy/dagster.yaml deploy/workspace.yaml /opt/dagster/
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 DAGSTER_HOME=/opt/dagster TAXI_DATA_DIR=/data
USER taxi
WORKDIR /opt/dagster
VOLUME ["/data", "/opt/dagster/storage"]
EXPOSE 3000 4000
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s --retries=5 \
    CMD ["dagster", "api", "grpc-health-check", "-p", "4000"]
CMD ["dagster", "api", "grpc", "-m", "taxi_assets.definitions", "--location-name", "taxi_assets", "-h", "0.0.0.0", "-p", "4000"]
