"""Errors that callers may want to tell apart from a plain ``ValueError`` or ``TypeError``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class UnsupportedTransformerError(TypeError):
    """A fitted object has no form as Keras operations.

    Raised by :func:`sklearn_keras_scaling.to_keras`. The message names the
    class, lists the supported ones and says how to register another.
    """


class ScalingWarning(UserWarning):
    """A network and its scaling do not fit each other.

    Parameters
    ----------
    message : str
        What is wrong, by code.
    findings : list of Finding
        The severe ones, with what was measured.

    See Also
    --------
    sklearn_keras_scaling.check_scaling : All findings, and how to be silent about some.
    """

    def __init__(self, message: str, findings: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.findings = list(findings)
