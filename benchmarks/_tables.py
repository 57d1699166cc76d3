"""What the benchmarks share: timing in turn, tables, and sections of ``RESULTS.md``."""

from __future__ import annotations

import os
import platform
import random
import re
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("RESULTS.md")

Contestants = dict[str, Callable[[], Any]]


def seconds(contestants: Contestants, repeats: int, calls: int = 1) -> dict[str, float]:
    """Return the median time of a call of each, after a warm-up.

    They run in turn, each round in a new order; ``calls`` times in a row where the one before
    may have emptied the processor's caches.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    order, rng = list(contestants), random.Random(0)
    for repeat in range(repeats + 1):
        rng.shuffle(order)  # so that nobody always comes behind the same one
        for name in order:
            start = time.perf_counter()
            for _ in range(calls):
                contestants[name]()
            if repeat:
                times[name].append((time.perf_counter() - start) / calls)
    return {name: statistics.median(values) for name, values in times.items()}


def table(case: str, times: dict[str, float], one: str = "ours") -> list[list[str]]:
    """Return the rows of one case: time and ratio to that of ``one``."""
    return [
        [case, name, f"{1e3 * value:.3g} ms", "" if name == one else f"{value / times[one]:#.4g}"]
        for name, value in times.items()
    ]


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine(*packages: str) -> str:
    """Return a sentence on where the numbers come from."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"{versions}."
    )


def write_section(text: str) -> None:
    """Put a section, which starts with its heading, in the place of the one of that heading."""
    old = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    parts = (part.strip() for part in re.split(r"^(?=# )", old, flags=re.MULTILINE))
    sections = {part.splitlines()[0]: part for part in parts if part}
    sections[text.splitlines()[0]] = text.strip()
    RESULTS.write_text("\n\n".join(sections.values()) + "\n", encoding="utf-8")
