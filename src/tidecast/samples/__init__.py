"""The time-series store: embedded, or a client of an existing engine."""
