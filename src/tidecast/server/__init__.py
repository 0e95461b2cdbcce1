"""The HTTP server: access, remote-write, the Prometheus API and our own."""
