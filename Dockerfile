# Three images of one installation: `api`, `worker` and, where no target is named, `cli`. Each runs as any user,
# on a root that is read-only, with a writable /tmp: `make image`, and docs/deploy.md.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
# PKG_CONFIG hides a libvips of the system, so that pyvips takes the one of its own wheel.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PKG_CONFIG=/bin/false
WORKDIR /build
COPY requirements/build.lock requirements/image.lock requirements/
# pyvips alone comes as source, which without a libvips is plain Python.
RUN python -m venv --without-pip /opt/pixmill \
    && pip --python /opt/pixmill/bin/python install \
        --require-hashes --only-binary=:all: --no-binary=pyvips -r requirements/image.lock \
    && pip install --require-hashes --only-binary=:all: -r requirements/build.lock
COPY LICENSE README.md pyproject.toml ./
COPY src src
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/pixmill/bin/python install --no-deps --no-index dist/*.whl

FROM python:${PYTHON}-slim AS base
# Whoever it runs as has no home, and may write to /tmp and to /data alone.
ENV HOME=/tmp \
    PATH=/opt/pixmill/bin:$PATH \
    PIXMILL_DATA=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
COPY --from=build /opt/pixmill /opt/pixmill
COPY deploy/image/healthy.py deploy/image/kernels.py deploy/image/start.sh /opt/pixmill/
# Kernels are compiled for every processor of the architecture, and not only for this one. They count as those of
# their modules by the time of these, of which layers of an image keep the seconds.
ENV NUMBA_CPU_NAME=generic
RUN install -d -m 1777 /data \
    && find /opt/pixmill/lib -path '*/site-packages/pixmill/*.py' -exec touch --date=@1700000000 {} + \
    && NUMBA_CACHE_DIR=/opt/pixmill/kernels python /opt/pixmill/kernels.py
ENV NUMBA_CACHE_DIR=/tmp/pixmill-kernels
WORKDIR /data
USER 10001:10001
ENTRYPOINT ["/opt/pixmill/start.sh"]

FROM base AS api
ENV PIXMILL_HOST=0.0.0.0
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "/opt/pixmill/healthy.py", "api"]
CMD ["serve"]

FROM base AS worker
# Kubernetes and Prometheus ask the container's own address.
ENV PIXMILL_HOST=0.0.0.0 \
    PIXMILL_METRICS_PORT=9100
EXPOSE 9100
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "/opt/pixmill/healthy.py", "worker"]
CMD ["worker"]

FROM base AS cli
CMD ["--help"]
