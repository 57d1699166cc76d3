"""Seeding that leaves the global random states as it found them."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from .._optional import keras

# Keras seeds initializers and dropout from Python's global generator, and has one
# more generator of its own, which no public function gives back.
_KERAS_GENERATOR = "global_seed_generator"
_LOCK = threading.RLock()


def one_at_a_time() -> AbstractContextManager[Any]:
    """Return what lets one thread at a time make networks, in this block and in seeded ones."""
    return _LOCK


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's, NumPy's and Keras's global generators for the time of a block.

    Parameters
    ----------
    seed : int
        From 0 to 2**32 - 1.

    Notes
    -----
    The generators belong to the process, so threads take turns: keep the block short.
    """
    state: Any = keras.src.backend.common.global_state
    with one_at_a_time():
        python, numpy_ = random.getstate(), np.random.get_state()
        generator = state.get_global_attribute(_KERAS_GENERATOR)
        try:
            random.seed(seed)
            np.random.seed(seed)
            state.set_global_attribute(_KERAS_GENERATOR, None)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy_)
            state.set_global_attribute(_KERAS_GENERATOR, generator)
