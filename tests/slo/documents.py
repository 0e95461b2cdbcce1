"""SLO documents for the tests: one with every kind and field, and pieces of it to break."""

from __future__ import annotations

EVERY_KIND = """\
apiVersion: openslo/v1
kind: DataSource
metadata: {name: prom, displayName: Ours}
spec: {type: Prometheus, connectionDetails: {url: "http://127.0.0.1:9090", tokens: [a, b]}}
---
apiVersion: openslo/v1
kind: Service
metadata: {name: checkout, labels: {team: [shop, web]}}
spec: {description: Where people pay}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: latency, annotations: {example.org/owner: ana}}
spec:
  description: Slowest answer
  thresholdMetric: {metricSource: {metricSourceRef: prom, spec: {query: max(latency_seconds)}}}
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: answers
  displayName: Checkout answers
  labels: {tier: gold}
  annotations: {runbook: "https://wiki.example.org/checkout", tidecast-minimum-events: "100"}
spec:
  description: Requests are answered
  service: checkout
  indicator:
    metadata: {name: answers}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'requests_total{code=~"5.."}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: requests_total}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives:
    - {displayName: strict, target: 0.999}
    - {displayName: loose, targetPercent: 99.9}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: fast}
spec:
  service: checkout
  indicatorRef: latency
  timeWindow:
    - duration: 1M
      isRolling: false
      calendar: {startTime: 2026-01-01 00:00:00, timeZone: Europe/Berlin}
  budgetingMethod: Timeslices
  objectives:
    - {op: lte, value: 0.5, target: 0.995, timeSliceTarget: 0.9, timeSliceWindow: 5}
  alertPolicies: [{alertPolicyRef: page-us}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: whole}
spec:
  service: checkout
  timeWindow: [{duration: 4w, isRolling: true}]
  budgetingMethod: RatioTimeslices
  objectives:
    - indicatorRef: latency
      compositeWeight: 3
      op: lt
      value: 1
      target: 0.9
      timeSliceWindow: 1m
    - indicator:
        metadata: {name: raw}
        spec:
          ratioMetric:
            rawType: failure
            raw: {metricSource: {type: Prometheus, spec: {query: failed_ratio}}}
      compositeWeight: 1
      target: 0.99
      timeSliceWindow: 1m
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: page-us}
spec:
  description: Page
  alertWhenNoData: false
  alertWhenResolved: false
  alertWhenBreaching: true
  conditions: [{conditionRef: twice}]
  notificationTargets:
    - targetRef: on-call
    - kind: AlertNotificationTarget
      metadata: {name: mail}
      spec: {target: email}
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: twice}
spec:
  severity: page
  condition: {kind: burnrate, op: gte, threshold: 2, lookbackWindow: 1h, alertAfter: 5m}
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: on-call}
spec: {description: Whoever is on call, target: slack}
"""

OTHER_FIELDS = """\
- apiVersion: openslo/v1
  kind: DataSource
  metadata: {name: other, labels: {team: web}, annotations: {example.org/owner: ana}}
  spec: {description: Another one, type: Prometheus, connectionDetails: [{url: "http://x"}]}
- apiVersion: openslo/v1
  kind: Service
  metadata: {name: search, displayName: Search, annotations: {note: "1"}}
  spec: {}
- apiVersion: openslo/v1
  kind: SLI
  metadata: {name: found, displayName: Found, labels: {tier: [a, b]}}
  spec:
    ratioMetric:
      counter: false
      good: {metricSource: {metricSourceRef: other, spec: {promql: found_events}}}
      total: {metricSource: {metricSourceRef: other, spec: {query: all_events}}}
- apiVersion: openslo/v1
  kind: SLO
  metadata: {name: finds}
  spec:
    description: Something is found
    service: search
    indicatorRef: found
    timeWindow: [{duration: 1Q, calendar: {startTime: 2026-01-01 06:30:00, timeZone: Asia/Tokyo}}]
    budgetingMethod: Occurrences
    objectives: [{displayName: most, targetPercent: 97.5}]
    alertPolicies:
      - kind: AlertPolicy
        metadata: {name: inline, displayName: Inline}
        spec:
          description: Within the SLO
          alertWhenBreaching: true
          conditions:
            - kind: AlertCondition
              metadata: {name: slow, displayName: Slow}
              spec:
                description: For three days
                severity: ticket
                condition: {op: gt, threshold: 1.5, lookbackWindow: 3d, alertAfter: 1h}
          notificationTargets: [{targetRef: desk}]
- apiVersion: openslo/v1
  kind: SLO
  metadata: {name: ready}
  spec:
    service: search
    indicator:
      metadata: {name: ready-ratio}
      spec:
        description: Measured elsewhere
        ratioMetric:
          rawType: success
          raw: {metricSource: {type: Prometheus, spec: {query: ready_ratio}}}
    timeWindow: [{duration: 1Y, isRolling: true}]
    budgetingMethod: RatioTimeslices
    objectives: [{target: 0, timeSliceWindow: 2h}]
- apiVersion: openslo/v1
  kind: AlertNotificationTarget
  metadata: {name: desk, displayName: The desk, labels: {team: web}}
  spec: {target: opsgenie}
"""
"""Documents in a list, with what `EVERY_KIND` does not have."""

SLOTH = """\
version: prometheus/v1
service: api
labels: {team: shop}
slos:
  - name: errors
    objective: 99.9
    description: Few errors
    sli:
      events:
        error_query: sum(rate(e_total{code=~"5.."}[{{.window}}]))
        total_query: sum(rate(e_total[{{.window}}]))
    alerting:
      name: ApiErrors
      labels: {category: availability}
      annotations: {runbook: "https://wiki.example.org/api"}
      page_alert: {labels: {severity: critical}}
      ticket_alert: {disable: true}
  - name: raw
    objective: 99
    sli: {raw: {error_ratio_query: 'avg(ratio{w="{{ .window }}"})'}}
    alerting: {page_alert: {disable: true}, ticket_alert: {disable: true}}
"""
