"""A process that was forked after Keras ran cannot compute; it is told so instead of hanging."""

from __future__ import annotations

import os

from .._optional import keras

_forked = False


def _mark() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark)


def refuse_after_fork(name: str) -> None:
    """Raise ``RuntimeError`` in a process that was forked from one that had imported Keras."""
    backend = keras.backend.backend()
    if _forked and backend != "torch":
        raise RuntimeError(
            f"{name} cannot compute in a process that was forked after Keras was imported: the "
            f"threads of {backend} do not survive a fork, and it would hang. Start processes by "
            "joblib's default (loky), or multiprocessing's 'spawn' or 'forkserver', or import "
            "this package after the fork."
        )
