"""Rules and forecasts become signals; signals become incidents; people are told."""
