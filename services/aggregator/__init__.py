"""Folds feedback events from Kafka into Postgres, each exactly once. The only writer of the schema `feedback`."""
