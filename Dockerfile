# bbdft as a service: no root, and nothing is written, so that --read-only works.
#   docker build -t blackbox-dft . && docker run --rm -v "$PWD:/work:ro" -p 8000:8000 blackbox-dft serve /work/run --host 0.0.0.0
FROM python:3.12-slim AS build
WORKDIR /src
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY blackbox_dft ./blackbox_dft
# ONNX Runtime for GPUs is much larger than that for the CPU, and of no use in this image.
RUN python -m venv /opt/bbdft \
    && /opt/bbdft/bin/pip install --no-cache-dir '.[serve]' \
    && /opt/bbdft/bin/pip uninstall --yes onnxruntime-gpu onnxruntime \
    && /opt/bbdft/bin/pip install --no-cache-dir 'onnxruntime>=1.20'

FROM python:3.12-slim
COPY --from=build /opt/bbdft /opt/bbdft
# Decoded images are not kept, and matplotlib has no home to write to.
ENV PATH=/opt/bbdft/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 BBDFT_CACHE=none MPLCONFIGDIR=/tmp
USER 10001:10001
WORKDIR /work
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
ENTRYPOINT ["bbdft"]
CMD ["--help"]
