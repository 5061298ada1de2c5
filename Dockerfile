# The service alone: the locked packages and the program in one virtual environment, no build tools, no root.
FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/build \
 && /opt/build/bin/python -m pip install --require-hashes -r requirements-build.lock \
 && python -m venv /opt/oracle \
 && /opt/oracle/bin/python -m pip install --require-hashes -r requirements.lock

COPY pyproject.toml README.md ./
COPY app ./app
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /build/wheels . \
 && /opt/oracle/bin/python -m pip install --no-deps /build/wheels/*.whl \
 && /opt/oracle/bin/python -m pip uninstall --yes pip setuptools


FROM python:3.11-slim-bookworm

# The interpreter stays, its installer goes; the environment brings all that the service imports.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3.11/ensurepip /usr/local/lib/python3.11/site-packages/* \
 && groupadd --gid 10001 oracle \
 && useradd --uid 10001 --gid oracle --no-log-init --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin oracle \
 && install --directory --owner=oracle --group=oracle --mode=0700 /var/lib/taiko-fee-oracle

COPY --from=build /opt/oracle /opt/oracle

ENV PATH=/opt/oracle/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TAIKO_HTTP_HOST=0.0.0.0 \
    TAIKO_STATE_URL=sqlite:////var/lib/taiko-fee-oracle/journal.db

VOLUME /var/lib/taiko-fee-oracle
WORKDIR /srv
USER 10001:10001
EXPOSE 8600
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["taiko-fee-oracle", "healthcheck", "--from-outside"]
ENTRYPOINT ["taiko-fee-oracle"]
CMD ["serve"]
