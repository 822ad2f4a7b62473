# The library as an image: one folder /data, no root, nothing written outside /data and /tmp.
FROM python:3.13-slim-trixie AS build

ENV UV_PROJECT_ENVIRONMENT=/opt/bibliothek \
    UV_PYTHON_DOWNLOADS=never \
    UV_NO_CACHE=1 \
    UV_LINK_MODE=copy \
    PYTHONDONTWRITEBYTECODE=1
RUN apt-get update \
    && apt-get install -y --no-install-recommends binutils=2.44-* \
    && rm -rf /var/lib/apt/lists/* \
    && pip install --no-cache-dir --root-user-action=ignore uv==0.13.9

WORKDIR /source
# What changes seldom comes first, so that it is downloaded seldom. Every file is checked against its hash in uv.lock.
# What is left out serves Litestar's own command line and made-up examples: a quarter of all that would be installed.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-install-project \
    --no-install-package=faker --no-install-package=polyfactory --no-install-package=rich \
    --no-install-package=rich-click --no-install-package=pygments --no-install-package=markdown-it-py --no-install-package=mdurl
# Other people's modules are kept as what runs: bytecode alone, and no symbols for debuggers (libraries that were put into wheels
# later, in *.libs, stay as they are). Ours keep their source, for the traces in the log.
RUN python -m compileall -q -b /opt/bibliothek/lib \
    && find /opt/bibliothek/lib -name '*.py' -delete \
    && find /opt/bibliothek/lib -name '*.cpython-*.so' -exec strip --strip-unneeded {} +
COPY . .
RUN uv export --quiet --frozen --only-group=dev --no-emit-project --output-file=/tmp/locked.txt \
    && uv build --wheel --build-constraints=/tmp/locked.txt --require-hashes --out-dir=/tmp/wheel \
    && uv pip install --python=/opt/bibliothek --no-deps /tmp/wheel/*.whl
# No image without a first loan. What it compiles, of Python itself and of the pages, is kept: later nothing can be written there.
RUN PYTHONDONTWRITEBYTECODE='' PYTHONPYCACHEPREFIX=/opt/bibliothek/compiled BIBLIOTHEK_DATA=/tmp/probe \
        python scripts/first_loan.py /opt/bibliothek/bin/bibliothek serve \
    && PYTHONPYCACHEPREFIX=/opt/bibliothek/compiled python -m compileall -q /opt/bibliothek/lib/python3.*/site-packages/bibliothek

FROM python:3.13-slim-trixie

# A name for the number, and the volume's folder, which takes its owner from here.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin bibliothek \
    && install --directory --owner=bibliothek --group=bibliothek --mode=0700 /data
COPY --from=build /opt/bibliothek /opt/bibliothek

ENV PATH=/opt/bibliothek/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPYCACHEPREFIX=/opt/bibliothek/compiled \
    BIBLIOTHEK_DATA=/data \
    BIBLIOTHEK_HOST=0.0.0.0 \
    BIBLIOTHEK_PORT=8000

# By number: Kubernetes tells only numbers from root.
USER 10001:10001
# Where commands find what they are given by name, and leave what they make.
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8000, timeout=8); c.request('GET', '/readyz'); exit(c.getresponse().status != 200)"]
CMD ["bibliothek", "serve"]
