"""``check_scaling``: everything that is found out about a network and its scaling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._optional import keras
from .._structure import named, names, part, parts
from .._validation import did_you_mean
from ._codes import misread
from ._distribution_targets import DistributionSide
from ._findings import Finding, check_codes
from ._graph import edge_layers, end_of, keeps_zero, names_of, start_of
from ._inputs import CENTRED, InputSide
from ._kinds import guessed, loss_name
from ._label_targets import LabelSide
from ._number_targets import NumberSide, sizes
from ._numbers import column_name, dense
from ._running import Trial
from ._targets import TargetSide

_SIDES: dict[str, type[TargetSide]] = {
    "numbers": NumberSide,
    "distribution": DistributionSide,
}
#: Share of validation values outside of the training range that is more than chance: a small one,
#: and four times what is expected of n training values, 2 / (n + 1).
_OUTSIDE, _BY_CHANCE = 0.05, 8.0


@dataclass(frozen=True)
class Subject:
    """A network, its scalers and data, as far as they are known.

    Attributes
    ----------
    network : keras.Model
        In scaled space.
    input_scaler, target_scaler : transformer, list, dict or None
        Fitted.
    X, y : array, or dict or list of arrays, or None
        In raw units.
    loss : object
        One, or a dict or list of them, as Keras takes it.
    has_loss_weights : bool
        Whether somebody has weighed the outputs against each other.
    kinds : TargetKind, or dict of them, or None
        What the network says of each target, as an estimator knows it; None to guess.
    """

    network: Any
    input_scaler: Any = None
    target_scaler: Any = None
    X: Any = None
    y: Any = None
    loss: Any = None
    has_loss_weights: bool = False
    kinds: Any = None


def check_scaling(
    model: Any,
    input_scaler: Any = None,
    target_scaler: Any = None,
    X: Any = None,
    y: Any = None,
    *,
    X_val: Any = None,
    y_val: Any = None,
    ignore: Sequence[str] = (),
) -> list[Finding]:
    """Return what makes a network and its scaling, or its targets, disagree.

    Looks at the network's layers, the fitted scalers and about a thousand rows of the data.
    Of the network, at most its first layers are run, where they scale or were trained, and all
    of it where it ends in an activation that is flat in part, such as ReLU; nothing is changed.
    What is not given is not checked; targets that are NaN are left out.

    Parameters
    ----------
    model : keras.Model, ScaledKerasRegressor or ScaledKerasClassifier
        The network, which takes scaled inputs and returns scaled targets, labels'
        probabilities, or, by its compiled loss, a distribution's parameters. Or a fitted
        estimator, which brings its scalers along and knows what its targets are.
    input_scaler, target_scaler : transformer, list, dict or None, default=None
        Fitted; None where numbers enter or leave unscaled. A dict has one for each input or
        output, a list one for each column.
    X : array-like of shape (n_samples, n_features) or (n_samples, ...), or dict or list, \
default=None
        Inputs in raw units; several by name.
    y : array-like of shape (n_samples,) or (n_samples, ...), or dict, default=None
        Targets in raw units, or labels. Of a network without a target scaler, whole numbers
        behind a softmax, 0 and 1, and what a loss of probabilities compares count as labels.
    X_val, y_val : default=None
        Validation data in raw units, compared with ``X`` and ``y``.
    ignore : sequence of str, default=()
        Codes to be silent about.

    Returns
    -------
    findings : list of Finding
        With a stable ``code``, ``severity`` ("severe" or "advice"), ``layer``, ``problem``,
        ``evidence`` and ``remedy``; the severe ones first. ``print(*findings)`` shows them.

    Raises
    ------
    TypeError
        If ``model`` is something else, or scalers are given with an estimator.
    ValueError
        If a code is unknown, or validation data come without training data.
    sklearn.exceptions.NotFittedError
        If the estimator or a scaler is not fitted.

    See Also
    --------
    ScaledKerasRegressor : Its ``fit`` warns of the severe ones; ``ignore_findings`` silences.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from sklearn_keras_scaling import StandardScaler, check_scaling
    >>> y = np.linspace(100.0, 500.0, 50).reshape(-1, 1)
    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "relu", name="out")])
    >>> for finding in check_scaling(network, target_scaler=StandardScaler().fit(y), y=y):
    ...     print(finding.code, finding.layer, finding.evidence, sep=" | ")
    SKS001 | out | relu reaches 0 and more; of the scaled targets, they go from -1.7 to 1.7, and \
50% lie outside
    """
    ignored = check_codes("ignore", ignore)
    subject = _subject_of(model, input_scaler, target_scaler, X, y)
    if X_val is not None or y_val is not None:
        outside = _outside(model, subject, X_val, y_val)
    else:
        outside = []
    return _ordered([*_found(subject), *outside], ignored)


def examine(subject: Subject, ignored: frozenset[str] = frozenset()) -> list[Finding]:
    """Return the findings of a subject, the severe ones first."""
    return _ordered(list(_found(subject)), ignored)


def _ordered(findings: list[Finding], ignored: frozenset[str]) -> list[Finding]:
    kept = [finding for finding in findings if finding.code not in ignored]
    return sorted(kept, key=lambda finding: (finding.severity != "severe", finding.code))


def _subject_of(model: Any, input_scaler: Any, target_scaler: Any, X: Any, y: Any) -> Subject:
    if hasattr(model, "_subject"):  # a fitted estimator of this package
        if input_scaler is not None or target_scaler is not None:
            raise TypeError(
                f"{type(model).__name__} has its own scalers. Pass it alone, or its network_ with "
                "other scalers."
            )
        subject: Subject = model._subject(X, y)
        return subject
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"model must be a keras.Model or a fitted estimator of this package, got {model!r}."
        )
    for parameter, scaler in (("input_scaler", input_scaler), ("target_scaler", target_scaler)):
        _check_scalers(parameter, scaler)
    for parameter, given in (("input_scaler", input_scaler), ("X", X)):
        _check_names(parameter, given, names_of(model, "input"), "input")
    for parameter, given in (("target_scaler", target_scaler), ("y", y)):
        _check_names(parameter, given, names_of(model, "output"), "output")
    return Subject(
        *(model, input_scaler, target_scaler, X, y),
        loss=model.loss if model.compiled else None,
        has_loss_weights=_has_loss_weights(model),
    )


def _check_scalers(parameter: str, scaler: Any) -> None:
    for name, one in zip(names(scaler), parts(scaler), strict=True):
        if isinstance(one, list):
            _check_scalers(named(parameter, name), one)
        elif one is not None and not hasattr(one, "transform"):
            raise TypeError(
                f"{named(parameter, name)} must be a fitted scaler or None, got {one!r}. Fit one, "
                "for example StandardScaler().fit(X)."
            )


def _check_names(parameter: str, given: Any, known: list[str], side: str) -> None:
    if not isinstance(given, dict) or not known:
        return
    for name in given:
        if name not in known:
            raise ValueError(
                f"{parameter} names the {side} {name!r}, which the network has not. "
                f"{did_you_mean(str(name), known)}"
            )


def _has_loss_weights(model: Any) -> bool:
    # Keras tells them nowhere else without serialising the losses.
    return getattr(getattr(model, "_compile_loss", None), "_user_loss_weights", None) is not None


def _found(subject: Subject) -> Iterator[Finding]:
    inputs, targets = _input_sides(subject), _target_sides(subject)
    yield from misread(subject.network, inputs)
    for side in inputs:
        yield from side.findings()
    zeros = next(_without_bias(subject, inputs, targets), None)
    for target in targets:
        yield from (f for f in target.findings() if zeros is None or f.code != "SKS003")
    if zeros is not None:
        yield zeros
    yield from sizes(targets, subject.has_loss_weights)
    yield from _folding(subject)


def _input_sides(subject: Subject) -> list[InputSide]:
    return [
        InputSide(
            None if subject.X is None else part(subject.X, name),
            _part_of_scaler(subject.input_scaler, name),
            start_of(subject.network, name),
            name,
        )
        for name in _names_of(subject.X, subject.input_scaler)
    ]


def _target_sides(subject: Subject) -> list[TargetSide]:
    trial = _trial(subject)
    if subject.kinds is None:
        every = _names_of(subject.y, subject.target_scaler)
    else:
        every = names(subject.kinds)
    return [_target_side(subject, name, trial) for name in every]


def _trial(subject: Subject) -> Trial:
    every = _names_of(subject.X, subject.input_scaler)
    is_list = isinstance(subject.X, list) and every == [None]
    X = np.asarray(subject.X) if is_list else subject.X
    scalers = {name: _part_of_scaler(subject.input_scaler, name) for name in every}
    return Trial(subject.network, X, scalers)


def _target_side(subject: Subject, name: Any, trial: Trial) -> TargetSide:
    data = None if subject.y is None else part(subject.y, name)
    scaler = _part_of_scaler(subject.target_scaler, name)
    end, loss = end_of(subject.network, name), _loss_of(subject, name)
    is_told = subject.kinds is not None
    kind = part(subject.kinds, name) if is_told else guessed(data, scaler, loss, end)
    side = _SIDES.get(kind.name, LabelSide)
    return side(data, scaler, end, loss_name(loss), kind, name, trial)


def _names_of(data: Any, scaler: Any) -> list[Any]:
    """Return the names of inputs or outputs; a list of rows, or of scalers, is of one alone."""
    is_several = isinstance(data, list) and all(np.ndim(one) > 1 for one in data)
    if isinstance(data, dict) or is_several:
        return names(data)
    return names(scaler) if isinstance(scaler, dict) else [None]


def _part_of_scaler(scaler: Any, name: Any) -> Any:
    is_several = isinstance(scaler, dict) or (isinstance(scaler, list) and isinstance(name, int))
    return part(scaler, name) if is_several else scaler


def _loss_of(subject: Subject, name: Any) -> Any:
    loss = subject.loss
    outputs = list(getattr(subject.network, "output_names", []))
    if isinstance(loss, list | tuple):
        return loss[outputs.index(name) if name in outputs else 0]
    if isinstance(loss, dict):
        return loss.get(name) if name in loss else next(iter(loss.values()))
    return loss


def _without_bias(
    subject: Subject, inputs: list[InputSide], targets: list[TargetSide]
) -> Iterator[Finding]:
    told = [target.told_offset() for target in targets if target.offset > CENTRED]
    if not told:
        told = [
            f"inputs have means of {side.offset:.2g} standard deviations (median over the columns)"
            for side in inputs
            if side.rows is not None and not side.start.takes_codes and side.offset > CENTRED
        ]
    if told and keeps_zero(subject.network):
        yield Finding("SKS004", None, told[0])


def _folding(subject: Subject) -> Iterator[Finding]:
    scalers = ((True, subject.input_scaler), (False, subject.target_scaler))
    for forward, scaler in scalers:
        if all(one is None for one in parts(scaler)):
            continue
        for layer in edge_layers(subject.network, forward):
            told = [
                f"{type(layer).__name__}({attribute}={type(value).__name__})"
                for attribute in ("kernel_constraint", "bias_constraint", "kernel_regularizer")
                if (value := getattr(layer, attribute, None)) is not None
            ]
            if told:
                yield Finding("SKS016", layer.name, ", ".join(told))
    decay = getattr(getattr(subject.network, "optimizer", None), "weight_decay", None)
    is_scaled = any(one is not None for _, scaler in scalers for one in parts(scaler))
    if decay and is_scaled:
        yield Finding("SKS016", None, f"the optimizer has weight_decay={decay:g}")


def _outside(model: Any, subject: Subject, X_val: Any, y_val: Any) -> list[Finding]:
    if hasattr(model, "_subject"):
        held_out = model._subject(X_val, y_val)
        X_val, y_val = held_out.X, held_out.y
    found = []
    for argument, data, validation in (("X", subject.X, X_val), ("y", subject.y, y_val)):
        if validation is None:
            continue
        if data is None:
            raise ValueError(f"{argument}_val is compared with {argument}: pass both.")
        kinds = subject.kinds if argument == "y" else None
        for name in names(validation):
            if kinds is not None and part(kinds, name).are_labels:
                continue
            argument_ = named(argument, name)
            told = _told_outside(argument_, part(data, name), part(validation, name))
            if told:
                found.append(Finding("SKS015", None, f"{argument_}_val: {told}"))
    return found


def _told_outside(argument: str, training: Any, validation: Any) -> str:
    columns = getattr(training, "columns", None)
    training, validation = dense(training), dense(validation)
    width = training.shape[-1]
    if validation.shape[-1] != width:
        raise ValueError(
            f"{argument} has {width} columns, but {argument}_val has {validation.shape[-1]}. Pass "
            "the same columns."
        )
    training, validation = training.reshape(-1, width), validation.reshape(-1, width)
    (low, high), (least, largest) = _range(training), _range(validation)
    n_outside = ((validation < low) | (validation > high)).sum(axis=0)
    n_known = (~np.isnan(validation)).sum(axis=0)
    share = n_outside / np.maximum(n_known, 1)
    j = int(share.argmax())
    if share[j] <= _OUTSIDE + _BY_CHANCE / (len(training) + 1):
        return ""
    return (
        f"{share[j]:.0%} of {column_name(columns, j)} lie outside of {low[j]:.4g} to "
        f"{high[j]:.4g}, the range of the training data; they go from {least[j]:.4g} "
        f"to {largest[j]:.4g}"
    )


def _range(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return least and largest numbers of columns, NaN left out."""
    return np.fmin.reduce(rows), np.fmax.reduce(rows)
