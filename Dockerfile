# kfrun as a container: docker build -t kfrun .
#   docker run --rm -v "$PWD:/work:ro" kfrun validate -R -f .
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
RUN python -m pip install --no-cache-dir --disable-pip-version-check uv
# Compiled here: the user below cannot write what Python would compile at every start.
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY kfrun kfrun
COPY schemas schemas
COPY runtimes runtimes
# Without uv's 37 MiB: checks need no installer, and pip takes its place for jobs with packages.
RUN uv venv /opt/kfrun && uv pip install --python /opt/kfrun/bin/python . && rm /opt/kfrun/bin/uv /opt/kfrun/bin/uvx

FROM python:${PYTHON}-slim
RUN useradd --uid 10001 --create-home kfrun
COPY --from=build /opt/kfrun /opt/kfrun
ENV PATH=/opt/kfrun/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["kfrun"]
CMD ["--help"]
