# Two images: "core" fuses files, "serve" also answers over HTTP.
#
#   docker build --target core -t piafusion .
#   docker run --rm --user "$(id -u)" -v "$PWD:/data" piafusion fuse ir.png vi.png --output fused.png
#
#   docker build --target serve -t piafusion-serve .
#   docker run --rm -p 127.0.0.1:8000:8000 -e PIAFUSION_TOKEN=... piafusion-serve
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
RUN python -m venv /opt/piafusion
ENV PATH=/opt/piafusion/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY pyproject.toml constraints.txt DESCRIPTION.md LICENSE ./
COPY src src
RUN pip install -c constraints.txt .

FROM build AS build-serve
RUN pip install -c constraints.txt '.[serve]'

FROM python:${PYTHON}-slim AS base
RUN useradd --uid 10001 --create-home piafusion
ENV PATH=/opt/piafusion/bin:$PATH PYTHONDONTWRITEBYTECODE=1
WORKDIR /data
USER piafusion
ENTRYPOINT ["piafusion"]

FROM base AS serve
COPY --from=build-serve /opt/piafusion /opt/piafusion
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as http; http.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["serve", "--host", "0.0.0.0"]

# The last target is what a plain "docker build ." makes.
FROM base AS core
COPY --from=build /opt/piafusion /opt/piafusion
CMD ["--help"]
