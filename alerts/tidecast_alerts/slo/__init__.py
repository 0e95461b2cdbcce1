"""Service level objectives: read from OpenSLO and Sloth documents, and made into alert rules."""
