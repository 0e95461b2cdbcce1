"""PromQL: parse, plan and evaluate over any `Samples`."""
