"""Every metric of every service, declared once; each process has a registry of its own.

Labels never carry anything about a person: their values come from fixed lists (services, topics, route
templates, kinds).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from shared.settings import SERVICE_NAMES

MetricName = Literal[
    # every service
    "bufferbudget_build_info",
    "bufferbudget_event_loop_lag_seconds",
    "bufferbudget_ready",
    "bufferbudget_http_requests_total",
    "bufferbudget_http_errors_total",
    "bufferbudget_http_duration_seconds",
    "bufferbudget_outbox_pending",
    "bufferbudget_outbox_oldest_seconds",
    "bufferbudget_relay_published_total",
    "bufferbudget_consumer_handled_total",
    "bufferbudget_consumer_batch_seconds",
    "bufferbudget_consumer_retries_total",
    "bufferbudget_consumer_lag_messages",
    "bufferbudget_consumer_lag_seconds",
    "bufferbudget_parked_messages",
    "bufferbudget_consumer_stopped",
    "bufferbudget_worker_steps_total",
    "bufferbudget_worker_failures_total",
    "bufferbudget_pending_work",
    "bufferbudget_status_failures_total",
    "bufferbudget_webhook_attempts_total",
    "bufferbudget_webhooks_waiting",
    "bufferbudget_webhooks_oldest_seconds",
    "bufferbudget_webhooks_failed",
    # income-intake
    "bufferbudget_wage_slips_total",
    # buffer-ledger
    "bufferbudget_months_settled_total",
    "bufferbudget_months_held",
    "bufferbudget_enrolments",
    "bufferbudget_enrolments_failed_total",
    "bufferbudget_months_below_floor_total",
    "bufferbudget_drawn_cents_total",
    "bufferbudget_ledger_checks_total",
    "bufferbudget_ledger_sum_cents",
    "bufferbudget_ledger_invariant_breaches",
    "bufferbudget_ledger_chain_waiting",
    "bufferbudget_ledger_chain_sealed_total",
    "bufferbudget_ledger_chain_pieces_read_total",
    "bufferbudget_ledger_chain_breaks",
    # notifier
    "bufferbudget_messages_total",
    "bufferbudget_delivery_attempts_total",
    "bufferbudget_deliveries_given_up_total",
    "bufferbudget_bounces_total",
    "bufferbudget_tasks_open",
    "bufferbudget_tasks_oldest_seconds",
    "bufferbudget_messages_composed_total",
    "bufferbudget_deliveries_waiting",
    "bufferbudget_deliveries_oldest_seconds",
]

# In the text format they are gauges that nobody reads, one for every counter.
disable_created_metrics()  # type: ignore[no-untyped-call]

Kind = Literal["counter", "gauge", "histogram"]
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; the label `service` is on each of them and not repeated here."""

    name: MetricName
    kind: Kind
    labels: tuple[str, ...]
    comment: str
    buckets: tuple[float, ...] = _FAST
    service: str | None = None
    """The one service that writes it; None for all."""
    at_zero: tuple[tuple[str, ...], ...] = ()
    """Label values that stand at 0 from the start: Prometheus sees no rise in a series that begins late."""


METRICS: Final[tuple[Metric, ...]] = (
    Metric(
        "bufferbudget_build_info", "gauge", ("version", "shape"), "1, with the version that runs and its bus."
    ),
    Metric(
        "bufferbudget_event_loop_lag_seconds", "gauge", (), "How late the event loop woke up, worst of 10 s."
    ),
    Metric("bufferbudget_ready", "gauge", (), "1 while the service calls itself ready, else 0."),
    Metric(
        "bufferbudget_http_requests_total",
        "counter",
        ("method", "route", "status"),
        "Answers by route template and status.",
    ),
    Metric(
        "bufferbudget_http_errors_total", "counter", ("route",), "Answers 500 and above by route template."
    ),
    Metric(
        "bufferbudget_http_duration_seconds",
        "histogram",
        ("method", "route"),
        "Seconds from the first byte of a request to the last of its answer.",
    ),
    Metric("bufferbudget_outbox_pending", "gauge", (), "Events committed but not yet published."),
    Metric("bufferbudget_outbox_oldest_seconds", "gauge", (), "Age of the oldest event not yet published."),
    Metric("bufferbudget_relay_published_total", "counter", ("topic",), "Events published by the relay."),
    Metric(
        "bufferbudget_consumer_handled_total",
        "counter",
        ("topic", "outcome"),
        "Messages done with: handled, duplicate or parked.",
    ),
    Metric(
        "bufferbudget_consumer_batch_seconds", "histogram", (), "Seconds of one batch, transaction included."
    ),
    Metric(
        "bufferbudget_consumer_retries_total",
        "counter",
        ("reason",),
        "Batches put back to try again: away, unexpected, offsets.",
        at_zero=(("away",), ("unexpected",), ("offsets",)),
    ),
    Metric(
        "bufferbudget_consumer_lag_messages", "gauge", ("topic",), "Messages the group has not handled yet."
    ),
    Metric(
        "bufferbudget_consumer_lag_seconds", "gauge", ("topic",), "Age of the oldest message not handled yet."
    ),
    Metric("bufferbudget_parked_messages", "gauge", (), "Messages set aside until an operator decides."),
    Metric(
        "bufferbudget_consumer_stopped", "gauge", (), "1 while a consumer stands still at PARKED_MAX, else 0."
    ),
    Metric(
        "bufferbudget_worker_steps_total",
        "counter",
        ("worker",),
        "Steps of background work that did something.",
    ),
    Metric(
        "bufferbudget_worker_failures_total", "counter", ("worker",), "Steps of background work that failed."
    ),
    Metric("bufferbudget_pending_work", "gauge", (), "Unfinished batches, closes and deliveries due now."),
    Metric("bufferbudget_status_failures_total", "counter", (), "Times the figures above could not be read."),
    Metric(
        "bufferbudget_webhook_attempts_total",
        "counter",
        ("outcome",),
        "Events posted to subscribers: accepted, answered (otherwise than 2xx), unreachable.",
        at_zero=(("accepted",), ("answered",), ("unreachable",)),
    ),
    Metric("bufferbudget_webhooks_waiting", "gauge", (), "Events that a subscriber has not taken yet."),
    Metric("bufferbudget_webhooks_oldest_seconds", "gauge", (), "Age of the oldest of them."),
    Metric(
        "bufferbudget_webhooks_failed",
        "gauge",
        (),
        "Events that no subscriber took within a day, until somebody has them sent again.",
    ),
    Metric(
        "bufferbudget_wage_slips_total",
        "counter",
        ("outcome",),
        "Slips: accepted, correction, duplicate, refused.",
        service="income-intake",
        at_zero=(("accepted",), ("correction",), ("duplicate",), ("refused",)),
    ),
    Metric(
        "bufferbudget_months_settled_total",
        "counter",
        ("closed_by",),
        "Month rows settled or rebooked: CLOSE, LATE_FACT.",
        service="buffer-ledger",
        at_zero=(("CLOSE",), ("LATE_FACT",)),
    ),
    Metric(
        "bufferbudget_months_held",
        "gauge",
        ("reason",),
        "Months of closed runs that stay provisional, by reason.",
        service="buffer-ledger",
    ),
    Metric(
        "bufferbudget_enrolments",
        "gauge",
        ("state",),
        "Enrolments at the last check of the ledger: ACTIVE, ENDED.",
        service="buffer-ledger",
    ),
    Metric(
        "bufferbudget_enrolments_failed_total",
        "counter",
        (),
        "Times a close left an enrolment as it was because it could not be computed.",
        service="buffer-ledger",
    ),
    Metric(
        "bufferbudget_months_below_floor_total",
        "counter",
        ("buffer",),
        "Settled months below the floor: without, with.",
        service="buffer-ledger",
        at_zero=(("without",), ("with",)),
    ),
    Metric(
        "bufferbudget_drawn_cents_total",
        "counter",
        (),
        "Cents drawn from buffers, before reversals.",
        service="buffer-ledger",
    ),
    Metric(
        "bufferbudget_ledger_checks_total",
        "counter",
        (),
        "Times the whole ledger was checked; what the last check found follows.",
        service="buffer-ledger",
    ),
    Metric(
        "bufferbudget_ledger_sum_cents",
        "gauge",
        (),
        "Sum of all balances in cents: 0, or the ledger is broken.",
        service="buffer-ledger",
    ),
    Metric(
        "bufferbudget_ledger_invariant_breaches",
        "gauge",
        ("invariant",),
        "Breaches found by the last check: 0.",
        service="buffer-ledger",
    ),
    Metric(
        "bufferbudget_ledger_chain_waiting",
        "gauge",
        (),
        "Transactions in the books that the chain has not sealed yet.",
        service="buffer-ledger",
    ),
    Metric(
        "bufferbudget_ledger_chain_sealed_total",
        "counter",
        (),
        "Transactions that were sealed.",
        service="buffer-ledger",
    ),
    Metric(
        "bufferbudget_ledger_chain_pieces_read_total",
        "counter",
        (),
        "Pieces of the chain (also empty ones) that were read again and held against the books.",
        service="buffer-ledger",
    ),
    Metric(
        "bufferbudget_ledger_chain_breaks",
        "gauge",
        (),
        "Links that did not fit when the chain was last read from its start to its end: 0.",
        service="buffer-ledger",
    ),
    Metric(
        "bufferbudget_messages_total",
        "counter",
        ("kind", "channel", "outcome"),
        "Messages by their end on a channel: sent, replaced by a letter, failed (nobody was reached).",
        service="notifier",
        at_zero=tuple(
            (kind, *end)
            for kind in ("BUFFER_MONTH", "BUFFER_END")
            for end in (
                *product(("EMAIL", "SMS", "TASK", "LETTER"), ("sent", "failed")),
                *product(("EMAIL", "SMS", "TASK"), ("replaced",)),
                ("NONE", "failed"),
            )
        ),
    ),
    Metric(
        "bufferbudget_delivery_attempts_total",
        "counter",
        ("channel", "outcome"),
        "Attempts to deliver a message: accepted, refused, later, unknown.",
        service="notifier",
        at_zero=tuple(
            product(("EMAIL", "SMS", "TASK", "LETTER"), ("accepted", "refused", "later", "unknown"))
        ),
    ),
    Metric(
        "bufferbudget_deliveries_given_up_total",
        "counter",
        ("channel",),
        "Deliveries tried for a day in vain; a letter follows where there is an address.",
        service="notifier",
        at_zero=(("EMAIL",), ("SMS",)),
    ),
    Metric(
        "bufferbudget_bounces_total",
        "counter",
        ("channel",),
        "Messages that an address did not take, told at once or days later.",
        service="notifier",
        at_zero=(("EMAIL",), ("SMS",)),
    ),
    Metric(
        "bufferbudget_tasks_open",
        "gauge",
        ("kind",),
        "Tasks for people that are not done: TELL, CONTACT.",
        service="notifier",
    ),
    Metric(
        "bufferbudget_tasks_oldest_seconds",
        "gauge",
        ("kind",),
        "Age of the oldest task that is not done.",
        service="notifier",
    ),
    Metric(
        "bufferbudget_messages_composed_total",
        "counter",
        ("kind",),
        "Messages made, sent or not.",
        service="notifier",
        at_zero=(("BUFFER_MONTH",), ("BUFFER_END",)),
    ),
    Metric(
        "bufferbudget_deliveries_waiting",
        "gauge",
        ("channel",),
        "Deliveries not ended, due or later.",
        service="notifier",
    ),
    Metric(
        "bufferbudget_deliveries_oldest_seconds",
        "gauge",
        ("channel",),
        "Age of the oldest message whose delivery has not ended.",
        service="notifier",
    ),
)


class Metrics:
    """The metrics of one process; hand each service its own view with `of`."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._made: dict[MetricName, Counter | Gauge | Histogram] = {}
        self._begun: set[str] = set()
        for metric in METRICS:
            labels = ("service", *metric.labels)
            made: Counter | Gauge | Histogram
            if metric.kind == "counter":
                made = Counter(metric.name, metric.comment, labels, registry=self._registry)
            elif metric.kind == "gauge":
                made = Gauge(metric.name, metric.comment, labels, registry=self._registry)
            else:
                made = Histogram(
                    metric.name, metric.comment, labels, registry=self._registry, buckets=metric.buckets
                )
            self._made[metric.name] = made

    def of(self, service: str) -> "ServiceMetrics":
        """The view of one service: every value it writes carries its name."""
        if service in SERVICE_NAMES and service not in self._begun:
            self._begun.add(service)
            for metric in METRICS:
                if metric.service in (None, service) and metric.kind != "gauge":
                    for values in metric.at_zero if metric.labels else ((),):
                        self._made[metric.name].labels(service, *values)
        return ServiceMetrics(self._made, service)

    def render(self) -> bytes:
        """All values as Prometheus reads them (content type `CONTENT_TYPE`)."""
        return generate_latest(self._registry)

    def value(self, name: str, **labels: str) -> float | None:
        """One value, None when it was never written; counters and histograms by their sample name."""
        return self._registry.get_sample_value(name, labels)


CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


class ServiceMetrics:
    """Writes the metrics of one service. A label that is not declared is a ValueError."""

    def __init__(self, made: Mapping[MetricName, Counter | Gauge | Histogram], service: str) -> None:
        self._made = made
        self.service = service

    def add(self, name: MetricName, amount: float = 1, /, **labels: str) -> None:
        """Raise a counter."""
        metric = self._made[name]
        if not isinstance(metric, Counter):
            raise ValueError(f"{name} is no counter")
        metric.labels(service=self.service, **labels).inc(amount)

    def set(self, name: MetricName, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        metric = self._made[name]
        if not isinstance(metric, Gauge):
            raise ValueError(f"{name} is no gauge")
        metric.labels(service=self.service, **labels).set(value)

    def observe(self, name: MetricName, value: float, /, **labels: str) -> None:
        """Add one observation to a histogram."""
        metric = self._made[name]
        if not isinstance(metric, Histogram):
            raise ValueError(f"{name} is no histogram")
        metric.labels(service=self.service, **labels).observe(value)
