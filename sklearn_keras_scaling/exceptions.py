"""Errors that callers may want to tell apart from a plain ``ValueError`` or ``TypeError``."""


class UnsupportedTransformerError(TypeError):
    """A fitted object has no form as Keras operations.

    Raised by :func:`sklearn_keras_scaling.to_keras`. The message names the
    class, lists the supported ones and says how to register another.
    """
