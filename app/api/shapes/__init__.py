"""The shapes of the answers, as OpenAPI shows them. The tests hold every answer to these."""
