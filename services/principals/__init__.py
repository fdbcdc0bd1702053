"""Who asks: principals, the keys that sign their tokens, and the tokens. The only place that makes a principal."""
