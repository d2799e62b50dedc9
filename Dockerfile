# syntax=docker/dockerfile:1
# One image with three programs: kaito-webhook, kaito-controller, kaito-provisioner; a Deployment's `command` chooses.
# Both bases are named by digest, and the build fails where none is given:
#   docker build --build-arg DEBIAN_DIGEST=sha256:... --build-arg DISTROLESS_DIGEST=sha256:... --tag kaito:0.1.0 .
ARG DEBIAN_DIGEST
ARG DISTROLESS_DIGEST

FROM debian:12-slim@${DEBIAN_DIGEST} AS build
# The same interpreter as in the runtime image, under the same path: the environment is copied as it is.
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python3 -m venv /build && /build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock
# `.so` only from wheels: no compiler is at hand, and what is installed is what the hashes name.
RUN python3 -m venv --without-pip /opt/kaito && \
    /build/bin/pip --python /opt/kaito/bin/python3 install --no-cache-dir --only-binary :all: --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY controller controller
COPY webhook webhook
COPY provisioner provisioner
RUN /build/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /wheels . && \
    /build/bin/pip --python /opt/kaito/bin/python3 install --no-cache-dir --no-deps /wheels/*.whl

# No shell, no package manager; user and group 65532.
FROM gcr.io/distroless/python3-debian12:nonroot@${DISTROLESS_DIGEST}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="kaito" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/kaito /opt/kaito
ENV PATH=/opt/kaito/bin:/usr/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT []
CMD ["kaito-controller", "--help"]
