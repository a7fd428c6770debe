"""How far each destination of the audit trail is behind, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dbguard.shipping.status import DeliveryState
from dbguard.shipping.supervising import Shipping


class ShippingMetrics(Collector):
    """Asks when it is asked."""

    def __init__(self, shipping: Shipping) -> None:
        self._shipping = shipping

    def collect(self) -> Iterator[Metric]:
        label = ["destination"]
        behind = GaugeMetricFamily(
            "dbguard_shipping_lag_records", "Records that a destination has not taken", labels=label
        )
        age = GaugeMetricFamily(
            "dbguard_shipping_lag_seconds", "Age of the oldest of them", labels=label
        )
        works = GaugeMetricFamily(
            "dbguard_shipping_up",
            "1 while a destination takes what it gets, or another dbguard sees to it",
            labels=label,
        )
        errors = CounterMetricFamily(
            "dbguard_shipping_errors", "Attempts to ship that failed", labels=label
        )
        restarts = CounterMetricFamily(
            "dbguard_shipping_restarts", "Ends of the process that ships"
        )
        statuses = self._shipping.statuses()
        for status in statuses:
            behind.add_metric([status.name], status.lag_records)
            age.add_metric([status.name], status.lag_seconds)
            well = status.state in (DeliveryState.SHIPPING, DeliveryState.STANDBY)
            works.add_metric([status.name], float(well))
            errors.add_metric([status.name], self._shipping.errors(status.name))
        if statuses:
            restarts.add_metric([], self._shipping.restarts)
        yield from (behind, age, works, errors, restarts) if statuses else ()
