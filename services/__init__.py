"""The light processes around the model: gateway, aggregator, rollout, and what they share."""
