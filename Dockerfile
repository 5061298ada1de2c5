# The service alone: the locked packages and the program in one virtual environment, no build tools, no root.
#   docker build --tag taiko-fee-oracle .
# PYTHON_IMAGE may name the same image by digest; REVISION ends up in a label.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/build \
 && /opt/build/bin/python -m pip install --require-hashes -r requirements-build.lock \
 && python -m venv /opt/oracle \
 && /opt/oracle/bin/python -m pip install --require-hashes -r requirements.lock

# What only compilers and test runs read stays behind. The rest is compiled here: nothing can be where the root is read-only.
COPY pyproject.toml README.md ./
COPY app ./app
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /build/wheels . \
 && /opt/oracle/bin/python -m pip install --no-deps /build/wheels/*.whl \
 && /opt/oracle/bin/python -m pip uninstall --yes pip setuptools \
 && find /opt/oracle/bin ! -type d ! -name 'python*' ! -name taiko-fee-oracle -delete \
 && find /opt/oracle -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} + \
 && find /opt/oracle -type f \( -name '*.c' -o -name '*.h' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' \) -delete \
 && /opt/oracle/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/oracle/lib


FROM ${PYTHON_IMAGE}

# The interpreter stays, its installer goes; its library comes uncompiled. No program gives anyone root's rights.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3.11/ensurepip /usr/local/lib/python3.11/site-packages/* \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash -x '/(idlelib|lib2to3|tkinter|turtledemo)/' \
    "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
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
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["taiko-fee-oracle", "healthcheck", "--from-outside"]
ENTRYPOINT ["taiko-fee-oracle"]
CMD ["serve"]

ARG REVISION=unknown
LABEL org.opencontainers.image.title="taiko-fee-oracle" \
      org.opencontainers.image.description="Tells the sequencers of a Taiko L2 what fee to charge now, and proves why." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"
