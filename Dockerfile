# kfrun as a container: docker build -t kfrun .
#   docker run --rm -v "$PWD:/work:ro" kfrun validate -R -f .
# Any image with Python 3.11 or later and its venv module, by tag or by digest. The one of a company brings certificates.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
# --build-arg PIP_INDEX_URL=https://… installs from an index of your own.
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY kfrun kfrun
COPY schemas schemas
COPY runtimes runtimes
COPY examples examples
# Compiled here: the user below cannot write what Python would compile at every start.
# Checks need no installer: uv alone is two thirds of what is installed.
RUN python3 -m venv /opt/kfrun \
 && /opt/kfrun/bin/pip install --compile . \
 && /opt/kfrun/bin/pip uninstall --yes uv setuptools pip

FROM ${BASE}
# The images of Python come without compiled modules of the standard library.
RUN useradd --uid 10001 --create-home kfrun \
 && python3 -m compileall -q -x '/(site-packages|dist-packages|ensurepip|idlelib|lib2to3|pydoc_data|test|tests|tkinter|turtledemo)/' \
    "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /opt/kfrun /opt/kfrun
ENV PATH=/opt/kfrun/bin:$PATH PYTHONDONTWRITEBYTECODE=1
ARG SOURCE
ARG REVISION
LABEL org.opencontainers.image.title="kfrun" \
      org.opencontainers.image.description="Checks Kubeflow TrainJobs and their runtimes without a cluster" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}"
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["kfrun"]
CMD ["--help"]
