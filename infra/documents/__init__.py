"""The documents that are made from the code: settings, metrics, events, the chart's values, JSON Schema, OpenAPI,
AsyncAPI. `python -m infra.documents` writes them; a test says whether they are current."""
