"""Everything around the code: the local stack, Kafka's artifacts, images, locks."""
