"""HTTP API and web page over one fuser per model (the `serve` extra)."""
