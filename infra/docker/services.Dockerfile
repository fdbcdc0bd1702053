# The gateway, the aggregator, the rollout service and the migrations. Build from the root: docker build -f infra/docker/services.Dockerfile -t encore-services .
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app PIP_NO_CACHE_DIR=1
RUN useradd --uid 10001 --create-home encore
WORKDIR /app

COPY infra/locks/services.txt infra/locks/services.txt
RUN pip install uv==0.13.9 && uv pip install --system --no-cache --require-hashes -r infra/locks/services.txt

COPY schemas schemas
COPY services services
COPY infra/docker/guard.py infra/docker/guard.py
RUN python infra/docker/guard.py schemas services --without torch,ray,numpy,mlflow,pandas

USER 10001
EXPOSE 8080
CMD ["python", "-m", "services.gateway.main"]
