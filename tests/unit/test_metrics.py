"""Metrics: one typed list, one registry per process, no label that could name a person."""

from typing import get_args

import pytest

from shared.metrics import METRICS, MetricName, Metrics


def test_the_list_and_the_names_that_code_may_use_are_the_same() -> None:
    names = [metric.name for metric in METRICS]
    assert names == list(get_args(MetricName))
    assert len(set(names)) == len(names)


def test_every_metric_has_a_comment_and_the_house_prefix() -> None:
    for metric in METRICS:
        assert metric.name.startswith("bufferbudget_"), metric.name
        assert metric.comment.endswith("."), metric.name
        assert "service" not in metric.labels, metric.name
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name


def test_no_label_can_carry_a_person() -> None:
    labels = {label for metric in METRICS for label in metric.labels}
    assert not {label for label in labels if "id" in label.split("_") or "participant" in label}


def test_values_carry_the_service_that_wrote_them() -> None:
    metrics = Metrics()
    metrics.of("notifier").set("bufferbudget_outbox_pending", 3)
    metrics.of("buffer-ledger").set("bufferbudget_outbox_pending", 5)
    assert metrics.value("bufferbudget_outbox_pending", service="notifier") == 3
    assert metrics.value("bufferbudget_outbox_pending", service="buffer-ledger") == 5
    assert b'bufferbudget_outbox_pending{service="notifier"} 3.0' in metrics.render()


def test_two_registries_share_nothing() -> None:
    first, second = Metrics(), Metrics()
    first.of("notifier").add("bufferbudget_status_failures_total")
    assert second.value("bufferbudget_status_failures_total", service="notifier") is None


def test_a_label_or_kind_that_is_not_declared_is_refused() -> None:
    view = Metrics().of("notifier")
    with pytest.raises(ValueError, match="label"):
        view.add("bufferbudget_relay_published_total", participant="x")
    with pytest.raises(ValueError, match="no gauge"):
        view.set("bufferbudget_relay_published_total", 1, topic="t")
    with pytest.raises(ValueError, match="no counter"):
        view.add("bufferbudget_outbox_pending")
