"""Gauges as OpenMetrics 1.0 text, which Prometheus reads as well."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One family: its name ends with its unit, where it has one; a sample is a value by its labels."""

    name: str
    help: str
    unit: str = ""
    samples: list[tuple[Mapping[str, str], float]] = field(default_factory=list)

    def set(self, value: float, **labels: str) -> None:
        self.samples.append((labels, value))


def written(gauges: Iterable[Gauge]) -> str:
    """The exposition: every family with its type, unit and help, and the end mark."""
    lines: list[str] = []
    for gauge in gauges:
        lines.append(f"# TYPE {gauge.name} gauge")
        if gauge.unit:
            lines.append(f"# UNIT {gauge.name} {gauge.unit}")
        lines.append(f"# HELP {gauge.name} {_escaped(gauge.help)}")
        for labels, value in gauge.samples:
            shown = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            lines.append(f"{gauge.name}{'{' + shown + '}' if shown else ''} {value:.15g}")
    return "\n".join([*lines, "# EOF", ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
