# The one image of all functions: FUNCTION_TARGET says which of them a pod is. Also their command line: `taskmaster`.
#
#     make image
#
# Nothing is compiled from source and nothing names a processor, so the same file builds for x86_64 and arm64. Python's
# own image comes without byte code, and a root file system that is read-only never gets any: everything is compiled
# here, standard library included, or each start from zero would take several times as long.

# The index of all processors. Where no registry is reached: tests/cluster/images.py, BASE_IMAGE.
FROM python:3.13-slim@sha256:9662417aace5ae7b8e2609cce472b72a8958e134ba372808abe9cc1a0c0125e6 AS python

FROM python AS packages
# requirements-telemetry.txt: traces and metrics by OTLP too (docs/telemetry.md). requirements-apprise.txt: reminders to
# ntfy, Slack and Mattermost (docs/reminders.md). requirements-redis.txt: the command line reads topics on Redis too
# (docs/dapr.md). Several: their names with a blank between them.
ARG REQUIREMENTS=requirements.txt
COPY functions/requirements*.txt /tmp/
WORKDIR /tmp
# hadolint ignore=DL3013
RUN set -- && for file in ${REQUIREMENTS}; do set -- "$@" -r "$file"; done && \
    pip install --prefix=/packages --require-hashes --only-binary=:all: --no-compile --no-cache-dir \
      --disable-pip-version-check --root-user-action=ignore "$@"

# Python and the packages, without what only makes packages or serves a desktop. Byte code is checked by nobody
# (unchecked-hash): it cannot change, and so it is the same in every build.
FROM python AS root
COPY --from=packages /packages /usr/local
WORKDIR /usr/local
RUN rm -rf lib/python3.13/site-packages/pip* lib/python3.13/ensurepip lib/python3.13/idlelib lib/python3.13/tkinter \
      lib/python3.13/turtledemo lib/python3.13/test lib/python3.13/config-3.13-* lib/pkgconfig lib/libpython*.a \
      include share/man bin/pip* bin/idle* bin/pydoc* bin/python*-config /root/.cache /tmp/* && \
    find . -name __pycache__ -prune -exec rm -rf {} + && \
    python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash lib/python3.13

FROM root AS functions
COPY functions /functions
RUN find /functions -name __pycache__ -prune -exec rm -rf {} + && rm /functions/requirements*.txt && \
    python3 -m compileall -q --invalidation-mode unchecked-hash /functions && \
    printf '#!/bin/sh\nexec python3 -m taskmaster.cli "$@"\n' > /usr/local/bin/taskmaster && \
    chmod 755 /usr/local/bin/taskmaster && chmod -R a=rX /functions

# The laptop in one container: the stand-in for Knative and the functions as its processes, for a database and a broker
# elsewhere, or those in its wheels. tests/compose.yaml builds and runs it; `make image ARGS="--target laptop"` builds it.
FROM python AS laptop-packages
COPY knative/local/requirements.txt /tmp/
RUN pip install --prefix=/packages --require-hashes --only-binary=:all: --no-compile --no-cache-dir \
      --disable-pip-version-check --root-user-action=ignore -r /tmp/requirements.txt

FROM root AS laptop
COPY --from=laptop-packages /packages /usr/local
COPY --from=functions /usr/local/bin/taskmaster /usr/local/bin/taskmaster
COPY --from=functions /functions /taskmaster/functions
COPY knative /taskmaster/knative
COPY eventing /taskmaster/eventing
WORKDIR /taskmaster
RUN python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /usr/local/lib/python3.13 /taskmaster && \
    chmod -R a=rX /taskmaster && install -d -o 65532 -g 65532 -m 700 .local
ENV LANG=C.UTF-8 HOME=/tmp USER=taskmaster PYTHONPATH=/taskmaster/functions:/taskmaster PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
CMD ["python3", "-m", "knative.local", "up", "--host", "0.0.0.0"]

# From scratch, so that what was removed is in no layer. What changes most, and is smallest, comes last.
FROM scratch
# hadolint ignore=DL3067
COPY --from=root / /
COPY --from=functions /usr/local/bin/taskmaster /usr/local/bin/taskmaster
COPY --from=functions /functions /functions

# HOME and XDG_RUNTIME_DIR: the only place that may be written, where there is one, for gunicorn under functions-framework.
# USER: the migration notes down who ran it, and a number has no name in /etc/passwd.
ENV PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME=/tmp XDG_RUNTIME_DIR=/tmp USER=taskmaster \
    PYTHONPATH=/functions PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /functions
USER 65532:65532
EXPOSE 8080
CMD ["python3", "-m", "taskmaster.serve"]

ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="taskmaster functions" \
      org.opencontainers.image.description="A to-do back end as event-driven functions on Knative" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
