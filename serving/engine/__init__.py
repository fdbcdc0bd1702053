"""The engine: models, sampling and adapters in torch; knows no Ray, MLflow, Kafka or HTTP."""
