"""Pure mathematics: arrays and intervals in, results out; no I/O and no clock."""
