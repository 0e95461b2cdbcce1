"""Rules and forecasts become signals; signals become incidents; people are told.

In the order in which a breach travels: `rules` (Prometheus rule files, with `templates` for their
labels and annotations) -> `evaluation` (Prometheus' alert state machine) -> `signals` (cleared only
on proof) -> `incidents` (one for each cause of `causes`) -> `notifications` (Alertmanager's
webhook). `engine` walks it; `prometheus_api` shows it as Prometheus would. What the room needs from
outside stands in `ports`, and in `memory` and `fakes` for tests and demos.
"""
