"""The text format of Prometheus."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest, push_to_gateway, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import basic_auth_handler, default_handler
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from copilot_pipeline.telemetry.metrics import METRICS, Kind, Metric
from copilot_pipeline.telemetry.state import Sample

if TYPE_CHECKING:
    import httpx

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
JOB = "copilot_pipeline"  # the grouping key at a pushgateway
Labels = tuple[str, ...]


def render(samples: Iterable[Sample]) -> bytes:
    """Return the samples in the text format."""
    return generate_latest(_registry(samples))


def write_textfile(samples: Iterable[Sample], path: str) -> None:
    """Write the samples to a file, which replaces the previous one in one step. Raises `OSError`."""
    write_to_textfile(path, _registry(samples))


def push(samples: Iterable[Sample], url: httpx.URL) -> None:
    """Replace what a pushgateway has of this pipeline; credentials are sent as basic auth. Raises `OSError`."""
    handler = default_handler
    if url.userinfo:
        handler = partial(basic_auth_handler, username=url.username, password=url.password)
    push_to_gateway(str(url.copy_with(userinfo=b"")), JOB, _registry(samples), handler=handler)


class _Samples(Collector):
    def __init__(self, samples: Iterable[Sample]) -> None:
        self._by_metric: defaultdict[str, list[Sample]] = defaultdict(list)
        for sample in samples:
            self._by_metric[sample.metric].append(sample)

    def collect(self) -> Iterator[Family]:
        """Yield every metric, also those without a sample."""
        for metric in METRICS:
            if metric.kind is Kind.HISTOGRAM:
                yield self._histogram(metric)
            elif metric.kind is Kind.COUNTER:
                counter = CounterMetricFamily(metric.name, metric.description, labels=metric.labels)
                for sample in self._by_metric[metric.name]:
                    counter.add_metric(_values(metric, sample), sample.value)
                yield counter
            else:
                gauge = GaugeMetricFamily(metric.name, metric.description, labels=metric.labels)
                for sample in self._by_metric[metric.name]:
                    gauge.add_metric(_values(metric, sample), sample.value)
                yield gauge

    def _histogram(self, metric: Metric) -> HistogramMetricFamily:
        family = HistogramMetricFamily(metric.name, metric.description, labels=metric.labels)
        counts: defaultdict[Labels, dict[float, float]] = defaultdict(dict)
        for sample in self._by_metric[metric.name]:
            counts[_values(metric, sample)][sample.bucket] = sample.value
        sums = {_values(metric, sample): sample.value for sample in self._by_metric[metric.sum_name]}
        for labels, by_bound in counts.items():
            buckets, total = [], 0.0
            for bound in (*metric.buckets, math.inf):
                total += by_bound.get(bound, 0.0)
                buckets.append(("+Inf" if bound == math.inf else str(bound), total))
            family.add_metric(labels, buckets, sums.get(labels, 0.0))
        return family


def _values(metric: Metric, sample: Sample) -> Labels:
    return tuple(sample.labels.get(label, "") for label in metric.labels)


def _registry(samples: Iterable[Sample]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Samples(samples))
    return registry
