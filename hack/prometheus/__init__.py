"""A real Prometheus on this machine: found or fetched, started, and asked."""
