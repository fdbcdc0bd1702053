# The engine on Ray Serve. KubeRay's own probes call wget. Build from the root: docker build -f infra/docker/serving.Dockerfile -t encore-serving .
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app PIP_NO_CACHE_DIR=1
RUN apt-get update && apt-get install -y --no-install-recommends wget libsndfile1 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home encore
WORKDIR /app

COPY infra/locks/serving.txt infra/locks/serving.txt
RUN pip install uv==0.13.9 && uv pip install --system --no-cache --require-hashes -r infra/locks/serving.txt

COPY schemas schemas
COPY serving serving
COPY infra/docker/guard.py infra/docker/guard.py
RUN python infra/docker/guard.py schemas serving --without mlflow,psycopg,kafka-python

USER 10001
EXPOSE 8000
CMD ["python", "-m", "serving.main"]
