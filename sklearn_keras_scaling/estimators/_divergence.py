"""Training that diverged is told, and so are networks that answer by no number."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from .._optional import keras
from .._structure import each, named, names, part, parts
from ..bridge import largest_weight, told_not_finite
from ..data import Rows
from ..maps import rows_not_finite
from ..scaling import in_training, scale
from ..training import Training

#: What helps against it.
REMEDY = (
    "Lower optimizer__learning_rate, limit gradients by optimizer__clipnorm=1.0, and scale what "
    "is large."
)


@dataclass(frozen=True)
class Diverged:
    """Where a network's training stopped giving numbers.

    Attributes
    ----------
    epoch : int
        The first such, from 1.
    what : str
        What was no number there.
    learning_rate : float
        Of the optimizer, after training.
    weights : str
        What became of the weights.
    """

    epoch: int
    what: str
    learning_rate: float
    weights: str


def diverged(training: Training, network: Any, options: Mapping[str, Any]) -> Diverged | None:
    """Return where a training diverged, None if it did not.

    Parameters
    ----------
    training : Training
        What it was.
    network : keras.Model
        What was trained, compiled with its optimizer.
    options : dict
        Further arguments of ``keras.Model.fit``, which say what epochs there were.
    """
    first = int(options.get("initial_epoch") or 0) + 1
    epochs = range(first, first + len(training.history.get("loss", ())))
    validated = [e for e in epochs if _validates(e, options.get("validation_freq") or 1)]
    losses = [("loss", "its loss", epochs), ("val_loss", "its validation loss", validated)]
    found = [
        (epoch, f"{told} is {value:g}")
        for key, told, numbers in losses
        for epoch, value in zip(numbers, training.history.get(key, ()), strict=False)
        if not np.isfinite(value)
    ]
    unusable = told_not_finite(network)
    if not found and not unusable:
        return None
    epoch, what = min(found, key=lambda one: one[0], default=(epochs.stop - 1, ""))
    if unusable:
        weights = f"Of its weights now, {unusable}"
    else:
        weights = f"Its weights now are finite, and up to {largest_weight(network):.3g} in size"
    return Diverged(max(epoch, first), what, float(network.optimizer.learning_rate), weights)


def _validates(epoch: int, frequency: Any) -> bool:
    return epoch % frequency == 0 if isinstance(frequency, int) else epoch in frequency


def warn_of_divergence(
    estimator: Any,
    trainings: list[Training],
    rows: Rows,
    validation: Any,
    loss: Any,
    is_whole: bool,
) -> bool:
    """Warn of members of a fitted estimator whose training diverged.

    Parameters
    ----------
    estimator : FitsNetworks
        Fitted.
    trainings : list of Training
        Those of its members.
    rows : Rows
        All training rows, or the first batch of a stream.
    validation : Rows, other or None
        Validation rows; a stream is not read again.
    loss : object
        What it was trained with.
    is_whole : bool
        Whether the rows are all there are.

    Returns
    -------
    has_diverged : bool
        Whether some did.
    """
    options = estimator._routed_to("fit")
    members = zip(trainings, estimator.members_, strict=True)
    found = [diverged(training, network, options) for training, network in members]
    if not any(found):
        return False
    data = _scaled(estimator, rows, loss, "")
    if isinstance(validation, Rows):
        data |= _scaled(estimator, validation, loss, "validation ")
    more = "" if is_whole else "; of the stream only the first batch was looked at"
    text = told_divergence(found, told_largest(data, more))
    warnings.warn(text, ConvergenceWarning, stacklevel=outside())
    return True


def _scaled(estimator: Any, rows: Rows, loss: Any, of: str) -> dict[str, Any]:
    """Return inputs, and targets that are numbers, as the network met them, by what they are."""
    targets, scalers = estimator.targets_, in_training(estimator.input_scaler_)
    encoded = targets.encode(rows.y, loss)
    numbers = [
        part(encoded, name)
        for name, kind in zip(names(targets.kinds), parts(targets.kinds), strict=True)
        if not kind.are_labels
    ]
    inputs = each(lambda name, *one: scale(named("input_scaler", name), *one), scalers, rows.X)
    return {f"{of}inputs": parts(inputs)} | ({f"{of}targets": numbers} if numbers else {})


def refuse_no_numbers(network: Any, outputs: Any, goes_on: bool, has_diverged: bool) -> None:
    """Raise ``ValueError`` if a network has weights that are no numbers before training.

    They are looked at if its outputs are none, or if the training that it goes on from diverged.
    """
    are_numbers = all(np.isfinite(output).all() for output in keras.tree.flatten(outputs))
    unusable = "" if are_numbers and not (goes_on and has_diverged) else told_not_finite(network)
    if unusable:
        remedy = (
            "The last fit diverged: fit anew, with warm_start=False or by a clone of the estimator."
            if goes_on
            else "Pass a network with other weights."
        )
        raise ValueError(
            f"The network {network.name!r} has no numbers to train from: {unusable}. {remedy}"
        )


def told_divergence(found: list[Diverged | None], largest: str) -> str:
    """Return the text of a warning, given what became of each member."""
    numbers = [i for i, one in enumerate(found, start=1) if one is not None]
    one = next(one for one in found if one is not None)
    which = f" of member {numbers[0]}" if len(found) > 1 else ""
    others = f" (of {len(numbers)} of {len(found)} members)" if len(numbers) > 1 else ""
    place = f"{one.what} in" if one.what else "its weights are no numbers after"
    return (
        f"Training{which} diverged{others}: {place} epoch {one.epoch}, at a learning rate of "
        f"{one.learning_rate:.3g}. {largest} {one.weights}. {REMEDY}"
    )


def told_largest(data: Mapping[str, list[Any]], more: str) -> str:
    """Return a sentence on the largest number, in size, and where it is.

    Parameters
    ----------
    data : dict of list
        Scaled arrays by what they are.
    more : str
        What else to say.

    Examples
    --------
    >>> told_largest({"inputs": [np.array([[1.0, -3.0]])], "targets": [np.array([2.0])]}, "")
    'The largest scaled number is 3, in the inputs.'
    """
    sizes = {told: max(map(_size, arrays)) for told, arrays in data.items()}
    where = max(sizes, key=lambda told: sizes[told])
    return f"The largest scaled number is {sizes[where]:.3g}, in the {where}{more}."


def _size(array: Any) -> float:
    values = array.data if sparse.issparse(array) else array
    # fmax: targets that are not known are NaN.
    return float(np.fmax.reduce(np.abs(values), axis=None, initial=0))


def check_outputs(estimator: Any, inputs: Any, outputs: Any) -> None:
    """Look for NaN and infinities in what a fitted estimator's network returns.

    Parameters
    ----------
    estimator : FitsNetworks
        Fitted.
    inputs : array, or dict or list of arrays
        Scaled rows.
    outputs : array or dict of arrays
        What the network returns for them, by name.

    Raises
    ------
    ValueError
        If some are there, and the network's weights are no numbers, or of labels.

    Warns
    -----
    UserWarning
        If some are there of other targets.
    """
    targets, network = estimator.targets_.by_output, estimator.network_
    unusable = told_not_finite(network) if estimator._has_diverged else ""
    for name, target in zip(names(targets), parts(targets), strict=True):
        output = part(outputs, name)
        if not rows_not_finite(output):
            continue
        unusable = unusable or told_not_finite(network)
        told = _told_rows(name, output)
        if unusable:
            raise ValueError(f"{told}: training diverged, and {unusable}. Fit again. {REMEDY}")
        text = f"{told}, {_told_sizes(inputs, output, network)} {REMEDY}"
        if not target.may_be_nan:
            raise ValueError(text)
        warnings.warn(text, UserWarning, stacklevel=outside())
    if unusable:  # activations such as relu make numbers of NaN
        raise ValueError(
            f"What the network returns means nothing: training diverged, and {unusable}. Fit "
            f"again. {REMEDY}"
        )


def _told_rows(name: Any, output: np.ndarray) -> str:
    what = "NaN" if np.isnan(output).any() else "infinity"
    rows = _not_finite(output)
    return (
        f"The network returns {what} for {named('y', name)} in {len(rows)} of {len(output)} rows, "
        f"the first of them row {rows[0]}"
    )


def _told_sizes(inputs: Any, output: np.ndarray, network: Any) -> str:
    first = _not_finite(output)[:1]
    largest = max(_size(array[first]) for array in parts(inputs))
    return (
        f"whose largest scaled input is {largest:.3g} in size. Its weights are finite, and up to "
        f"{largest_weight(network):.3g} in size: numbers on the way are too large for float32. "
        "Pass rows like those of fit. If these are such, training diverged."
    )


def _not_finite(output: np.ndarray) -> np.ndarray:
    return np.flatnonzero(~np.isfinite(output.reshape(len(output), -1)).all(axis=1))


def outside() -> int:
    """Return the ``stacklevel`` that names the line which called this package."""
    package, level = __name__.partition(".")[0], 1
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and _is_of(package, frame):
        frame, level = frame.f_back, level + 1
    return level


def _is_of(package: str, frame: Any) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == package
