"""Use cases that join rooms, one per file."""
