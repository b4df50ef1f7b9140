"""One figure of a benchmark, with the figure of a peer from the same run."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """A measured value, with that of a peer to compare it with."""

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    wanted: str = ""

    @property
    def ratio(self) -> float | None:
        """The value divided by the peer's value; None without a peer."""
        return self.value / self.peer_value if self.peer_value else None

    def as_dict(self) -> dict[str, object]:
        """Return the entry of results/latest.json."""
        return {
            "name": self.name,
            "value": round(self.value, 4),
            "unit": self.unit,
            "peer": self.peer,
            "peer_value": None if self.peer_value is None else round(self.peer_value, 4),
            "ratio": None if self.ratio is None else round(self.ratio, 4),
        }


def side_by_side(
    actions: dict[str, Callable[[], object]], *, rounds: int, warm_up: int = 20
) -> dict[str, float]:
    """Return the median milliseconds of each action.

    The actions alternate, so that a busy machine slows all of them alike.
    """
    for _ in range(warm_up):
        for action in actions.values():
            action()
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            times[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


def percentile(values: list[float], share: float) -> float:
    """Return the value below which this share of the values is."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]
