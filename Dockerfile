# The app on a processor with the ONNX runtime: docker build -t glimpse . && docker run -p 7860:7860 glimpse
# The second stage has no PyTorch, so the image stays below 1 GB. CI does not build this image.
FROM python:3.12-slim AS export
WORKDIR /src
COPY . .
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu ".[onnx]" \
    && python -m train.export_onnx --output /model

FROM python:3.12-slim
WORKDIR /src
COPY requirements-onnx.txt .
RUN pip install --no-cache-dir -r requirements-onnx.txt
COPY . .
RUN pip install --no-cache-dir --no-deps . && rm -rf /src/* \
    && useradd --create-home --home-dir /glimpse glimpse
COPY --from=export /model /model
USER glimpse
WORKDIR /glimpse
EXPOSE 7860
HEALTHCHECK CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz')"]
CMD ["vqa", "ui", "--host", "0.0.0.0", "--model", "/model", "--runtime", "onnx"]
