"""Arguments that are refused with a word on what to pass."""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from sklearn.utils import check_random_state, check_scalar

from .._optional import keras
from .._validation import did_you_mean
from ..training import check_keywords

Method = TypeVar("Method", bound=Callable[..., Any])


def without_unknown(method: Method) -> Method:
    """Leave what takes unknown keywords, to refuse them, out of a method's signature.

    scikit-learn reads there what a method may be given (``set_fit_request``), and so do users.
    """
    signature = inspect.signature(method)
    known = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    method.__signature__ = signature.replace(parameters=known)  # type: ignore[attr-defined]  # of any function
    return method


def refuse_unknown(estimator: Any, unknown: dict[str, Any]) -> None:
    """Raise ``TypeError`` if ``fit`` was given keywords that it does not take."""
    if not unknown:
        return
    name, value = next(iter(unknown.items()))
    kind, told = type(estimator).__name__, reprlib.repr(value)
    parameters = estimator._get_param_names()
    if name in parameters or estimator._is_routed(name):
        raise TypeError(
            f"{kind}.fit() takes no {name!r}: {name} is a parameter of the constructor: "
            f"{kind}({name}={told}), or set_params({name}={told})."
        )
    if _is_of_keras(name):
        raise TypeError(
            f"{kind}.fit() takes no {name!r}: keywords of keras.Model.fit are given to the "
            f"constructor: {kind}(fit__{name}={told}), or set_params(fit__{name}={told})."
        )
    of_fit = list(inspect.signature(estimator.fit).parameters)
    advice = did_you_mean(name, [*of_fit, *parameters])
    if advice.startswith("Choose"):  # from too many
        advice = did_you_mean(name, of_fit)
    raise TypeError(f"{kind}.fit() got an unexpected keyword argument {name!r}. {advice}")


def _is_of_keras(name: str) -> bool:
    try:
        check_keywords("fit", {name: None})
    except TypeError:
        return False
    return True


def check_early_stopping(value: Any) -> None:
    """Raise ``TypeError`` unless it is a flag."""
    if isinstance(value, Real) and not isinstance(value, bool):
        raise TypeError(
            f"early_stopping must be an instance of bool, got {value!r}. How many epochs it waits "
            "is another parameter, n_iter_no_change."
        )
    check_scalar(value, "early_stopping", (bool, np.bool_))


def check_callbacks(callbacks: Any) -> None:
    """Raise ``TypeError`` unless all are ``keras.callbacks.Callback``."""
    for callback in keras.tree.flatten([] if callbacks is None else callbacks):
        if isinstance(callback, keras.callbacks.Callback):
            continue
        is_class = isinstance(callback, type) and issubclass(callback, keras.callbacks.Callback)
        remedy = (
            f"Write {callback.__name__}()."
            if is_class
            else "Functions are for keras.callbacks.LambdaCallback."
        )
        raise TypeError(
            "callbacks must be a list of keras.callbacks.Callback, but has "
            f"{reprlib.repr(callback)} of type {type(callback).__name__}. {remedy}"
        )


def check_seed(random_state: Any) -> np.random.RandomState:
    """Return a generator of a ``random_state``.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        found: np.random.RandomState = check_random_state(random_state)
    except ValueError as error:
        raise ValueError(
            "random_state must be an int from 0 to 2**32 - 1, a numpy.random.RandomState or None, "
            f"got {random_state!r}. {_advice(random_state)}"
        ) from error
    return found


def _advice(random_state: Any) -> str:
    if isinstance(random_state, np.random.Generator):
        return "Draw a number from it: random_state=int(rng.integers(2**32))."
    return "Write random_state=0."
