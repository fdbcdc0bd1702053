"""What crosses a process boundary: events, topics, API models, registry names, SQL migrations."""
