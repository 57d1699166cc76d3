"""All targets of an estimator: one, or one for each named output."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._optional import keras
from .._structure import each, named, names, part, parts
from .._validation import check_given, did_you_mean, read_weights
from ..maps import Map
from ._columns import TargetColumns
from ._outputs import named_outputs, refuse_outputs
from ._target import NotSaidError, Target
from ._weights import MeanWeight


class Targets:
    """What an estimator does with all its targets, the only place that knows of several.

    Parameters
    ----------
    by_output : Target or dict of Target
        New ones, by the name of the network's output.
    columns : TargetColumns, default=None
        Where a table has them.
    advice : str, default=""
        What else to do where a network has other outputs.
    """

    def __init__(
        self, by_output: Any, columns: TargetColumns | None = None, advice: str = ""
    ) -> None:
        self.by_output = by_output
        self.columns = columns
        self.advice = advice
        self._output_order: list[str] | None = None

    @property
    def are_several(self) -> bool:
        """Whether the outputs have names."""
        return isinstance(self.by_output, dict)

    def going_on(self) -> Targets:
        """Return a copy that may go on learning."""
        by_output = each(lambda _, target: target.going_on(), self.by_output)
        return Targets(by_output, self.columns, self.advice)

    # Raw values

    def check(self, estimator: Any, y: Any, argument: str) -> Any:
        """Return valid values, rows first, in the structure of the outputs."""
        check_given(estimator, y)
        given = dict(y) if isinstance(y, Mapping) else y
        if self.columns is not None:
            given = self.columns.split(y, argument)
        if set(names(given) if self.are_several else [None]) != set(names(self.by_output)):
            raise ValueError(
                f"{argument} has {_told(given)}, but the y of fit had {_told(self.by_output)}. "
                "Pass targets of the same kind."
            )
        return self._each(lambda key, t, one: t.check(estimator, one, named(argument, key)), given)

    def learn(self, y: Any, more: bool = False) -> None:
        """Learn the kind of valid values; from more rows, what they add."""
        self._each(lambda _, target, one: target.learn(one, more), y)

    def match(self, y: Any, argument: str) -> None:
        """Raise ``ValueError`` unless valid values are of the kind that was learnt."""
        self._each(lambda key, target, one: target.match(one, named(argument, key)), y)

    def known_rows(self, y: Any) -> np.ndarray | None:
        """Return which rows have a known value of any target; None if all do."""
        found = parts(self._each(lambda _, target, one: target.known(one), y))
        if any(known is None for known in found):
            return None
        rows = np.any([known.reshape(len(known), -1).any(axis=1) for known in found], axis=0)
        return None if rows.all() else rows

    def read_weights(self, weight: Any, y: Any, argument: str) -> Any:
        """Return valid weights of single outputs or cells; None if all of a row weigh alike.

        Parameters
        ----------
        weight : array-like, or dict of them, or None
            As given.
        y : array, or dict of arrays
            Valid values.
        argument : str
            For errors.
        """
        is_dict = isinstance(weight, Mapping) and self.are_several
        if not is_dict and (weight is None or isinstance(weight, Mapping) or _ndim(weight) < 2):
            return None
        given = weight
        if self.columns is not None and not is_dict:
            given = self.columns.split(weight, argument)
        if isinstance(given, Mapping):
            unknown = [name for name in given if name not in self.by_output]
            if unknown:
                raise ValueError(
                    f"{argument} names the output {unknown[0]!r}, which y has not. "
                    f"{did_you_mean(unknown[0], self.by_output)}"
                )
            given = {name: given.get(name) for name in self.by_output}
        elif self.are_several:
            raise ValueError(
                f"{argument} has shape {np.shape(weight)}, but y has the outputs "
                f"{sorted(self.by_output)}. Pass a weight a row, or a dict with those of an output."
            )
        return each(lambda name, *one: _read(named(argument, name), *one), y, given)

    def counting(self, y: Any, weight: Any) -> Any:
        """Return values that count, given weights of them: others are not known."""
        return self._each(lambda _, target, *one: target.counting(*one), y, weight)

    def expect(self, y: Any, weight: Any) -> None:
        """Learn from rows to come, and their weights, what training must be ready for."""
        self._each(lambda name, target, one: target.expect(one, _own(weight, name)), y)

    def count(self, y: Any, weight: Any, more: bool) -> None:
        """Count what is there of values whose kind is known."""
        self._each(lambda name, target, one: target.count(one, _own(weight, name), more), y)

    def strata(self, y: Any) -> np.ndarray | None:
        """Return what a validation split is stratified by: the labels of one target alone."""
        return None if self.are_several else self.by_output.strata(y)

    @property
    def scalers(self) -> Any:
        """The fitted scalers, None of labels."""
        return self._each(lambda _, target: target.scaler_)

    @property
    def kinds(self) -> Any:
        """What the network says of each target, for checks."""
        return self._each(lambda _, target: target.kind)

    def fit(self, y: Any, weight: Any, method: str, is_new: bool, series: Any) -> None:
        """Fit what scales the values, or let it go on."""

        def fit(name: Any, target: Target, one: np.ndarray) -> None:
            target.fit(one, _own(weight, name), method, is_new, series)

        self._each(fit, y)

    # Weights in the loss

    def mean_weights(self) -> Any:
        """Return new means of the values' weights."""
        return self._each(lambda _, __: MeanWeight())

    def weigh(self, y: Any, weight: Any, means: Any) -> None:
        """Add rows to the means."""

        def add(name: Any, target: Target, one: np.ndarray, mean: MeanWeight) -> None:
            mean.add(target.cells(one, _own(weight, name)), len(one))

        self._each(add, y, means)

    def weights(self, y: Any, weight: Any, means: Any, encoded: Any, trains: bool) -> Any:
        """Return the weights of encoded values in the loss, None if all count alike."""

        def of(name: Any, target: Target, one: np.ndarray, mean: MeanWeight) -> Any:
            return target.weights(one, _own(weight, name), mean.value, trains)

        found = self._each(of, y, means)
        if all(one is None for one in parts(found)):
            return None
        return each(lambda _, one, weights: _shaped(one, weights), encoded, found)

    # The network

    def offers(self) -> dict[str, Any]:
        """Return what a builder may ask for, by what it is and by output."""
        offers: dict[str, Any] = self._each(lambda _, target: target.offers())
        if not self.are_several:
            return offers
        every = dict.fromkeys(key for offer in offers.values() for key in offer)
        return {
            key: {name: offer[key] for name, offer in offers.items() if key in offer}
            for key in every
        }

    def forecast(self, series: Any) -> tuple[int, list[int]] | None:
        """Return steps and features of a target on an input's series, None of another."""
        found: tuple[int, list[int]] | None = None
        if series is not None and not self.are_several:
            found = self.by_output.forecast(series)
        return found

    def fit_outputs(self, network: Any, outputs: Any) -> None:
        """Learn the layout of a network's outputs from a few rows.

        Raises
        ------
        ValueError
            If they are not what the targets need.
        """
        found = outputs
        if self.are_several:
            found = named_outputs(network, outputs, set(self.by_output))
            if found is None:
                refuse_outputs(
                    network,
                    outputs,
                    f"y has the outputs {sorted(self.by_output)}. Return a dict of outputs with "
                    f"these keys, or name the output layers so{self.advice}",
                )
        elif not hasattr(outputs, "shape"):
            refuse_outputs(network, outputs, self.by_output.expected)

        def fit(_: Any, target: Target, output: np.ndarray) -> None:
            if not target.fit_output(output, network.name):
                refuse_outputs(network, outputs, target.expected)

        self._each(fit, found)
        is_list = isinstance(outputs, list | tuple)
        self._output_order = list(network.output_names) if is_list else None

    def make_losses(self, loss: Any, routed: dict[str, Any]) -> Any:
        """Return the loss of each output."""
        values = self._values("loss", loss)
        return self._each(lambda name, target: target.make_loss(values[name], routed))

    def make_metrics(self, metrics: Any) -> Any:
        """Return new metrics of each output."""
        values = self._values("metrics", metrics)
        return self._each(lambda name, target: target.make_metrics(values[name]))

    def loss_weights(self, weights: Any) -> Any:
        """Return the weights of the outputs' losses in the structure of the outputs."""
        own = {
            name: t.weight
            for name, t in zip(names(self.by_output), parts(self.by_output), strict=True)
        }
        if weights is None and self.are_several and set(own.values()) != {1.0}:
            weights = own
        if not isinstance(weights, dict):
            return weights
        # By name: Keras takes the entries of a dict for outputs in a list in sorted order.
        values = self._values("compile__loss_weights", weights)
        return self.as_outputs({name: 1.0 if v is None else v for name, v in values.items()})

    def encode(self, y: Any, losses: Any) -> Any:
        """Return values as the losses take them, by output."""
        return self._each(lambda _, target, one, loss: target.encode(one, loss), y, losses)

    def as_outputs(self, by_name: Any) -> Any:
        """Return what belongs to named outputs in the structure of the network's."""
        if self._output_order is None:
            return by_name
        return [by_name[name] for name in self._output_order]

    def _values(self, parameter: str, value: Any) -> dict[Any, Any]:
        """Return what a parameter says of each output; a dict may leave out some."""
        every = names(self.by_output)
        if not self.are_several or not isinstance(value, dict) or "class_name" in value:
            if not (isinstance(value, list) and parameter == "loss" and self.are_several):
                return dict.fromkeys(every, value)
            if not self._output_order:
                raise ValueError(
                    f"loss is a list, but the outputs have names. Give a dict of losses for "
                    f"{', '.join(map(repr, every))}."
                )
            return dict(zip(self._output_order, value, strict=True))
        unknown = [name for name in value if name not in every]
        if unknown:
            raise ValueError(
                f"{parameter} names the output {unknown[0]!r}, which y has not. "
                f"{did_you_mean(unknown[0], every)}"
            )
        return {name: value.get(name) for name in every}

    # Predictions

    def have_members(self, n_members: int | None) -> None:
        """Learn how many networks' outputs stand side by side, None of one alone."""

        def learn(_: Any, target: Target) -> None:
            target.n_members_ = n_members

        self._each(learn)

    @property
    def need_residuals(self) -> bool:
        """Whether some predictions need to know how far training rows were missed."""
        return any(target.needs_residuals for target in parts(self.by_output))

    def learn_residuals(self, encoded: Any, outputs: Any) -> None:
        """Learn that, of encoded training values by output and what the networks say of them."""

        def learn(_: Any, target: Target, y: np.ndarray, output: np.ndarray) -> None:
            if target.needs_residuals:
                target.learn_residuals(y, output)

        self._each(learn, encoded, outputs)

    @property
    def maps(self) -> Any:
        """The maps from the network's outputs to what is predicted."""
        return self._each(lambda _, target: target.map_)

    def by_name(self, network: Any, outputs: Any) -> Any:
        """Return what a network returned by the names of the outputs."""
        if not self.are_several or isinstance(outputs, dict):
            return outputs
        return dict(zip(network.output_names, outputs, strict=True))

    def decode(self, outputs: Any) -> Any:
        """Return what is predicted, in raw units, given outputs by name."""
        return self._each(lambda _, target, output: target.decode(output), outputs)

    def views(self, kind: str, q: float | None = None) -> Any:
        """Return the maps from the network's outputs to something else that they say.

        Of several outputs, those of the ones that say it.

        Raises
        ------
        ValueError
            If none says it.
        """
        return self._some(lambda _, target: target.view(kind, q))

    def see(self, outputs: Any, kind: str, q: float | None = None) -> Any:
        """Return what the outputs say, in raw units."""

        def of(name: Any, map_: Map) -> Any:
            return map_.forward(part(outputs, name).astype(np.float64), np)

        return each(of, self.views(kind, q))

    def ask(self, method: str, outputs: Any, *given: Any) -> Any:
        """Return what a method of each target that has it makes of its output.

        Arguments are the same for all targets, but for values in the structure of the outputs.
        """

        def of(name: Any, target: Target) -> Any:
            own = (part(one, name) if isinstance(one, dict) else one for one in given)
            function = getattr(target, method, None)
            if function is None:
                raise NotSaidError(target.no_distribution(method))
            return function(part(outputs, name).astype(np.float64), *own)

        return self._some(of)

    def _some(self, function: Any) -> Any:
        """Return what a function makes of the targets whose network says what it asks for."""
        if not self.are_several:
            return function(None, self.by_output)
        found: dict[str, Any] = {}
        refused: NotSaidError | None = None
        for name, target in self.by_output.items():
            try:
                found[name] = function(name, target)
            except NotSaidError as error:
                refused = refused or error
        if refused is not None and not found:
            raise refused
        return found

    def warnings(self, outputs: Any, predicted: Any) -> list[str]:
        """Return what must be told of predictions."""
        return self._told(self._each(lambda _, t, *one: t.warnings(*one), outputs, predicted))

    def cut(self, outputs: Any, levels: Sequence[float]) -> list[str]:
        """Return what must be told of quantiles."""
        return self._told(self._each(lambda _, target, one: target.cut(one, levels), outputs))

    def _told(self, texts: Any) -> list[str]:
        return list(itertools.chain(*texts.values())) if self.are_several else texts

    def _each(self, function: Any, *others: Any) -> Any:
        return each(function, self.by_output, *others)


def _own(weight: Any, name: Any) -> np.ndarray | None:
    own: np.ndarray | None = part(weight, name) if isinstance(weight, dict) else weight
    return own


def _ndim(weight: Any) -> int:
    # Of objects, so that lists of different lengths are refused by name, later.
    return int(getattr(weight, "ndim", None) or np.asarray(weight, dtype=object).ndim)


def _read(argument: str, y: np.ndarray, weight: Any) -> np.ndarray:
    """Return weights of the rows or cells of one target; ones if there are none."""
    if weight is None:
        return np.ones(len(y))
    found = read_weights(weight, argument)
    if found.shape not in (y.shape, y.shape[:1]):
        raise ValueError(
            f"{argument} must have shape {y.shape[:1]}, one a row, or {y.shape}, one a cell of y, "
            f"got {found.shape}."
        )
    return found


def _told(targets: Any) -> str:
    return f"the outputs {sorted(targets)}" if isinstance(targets, dict) else "one without a name"


def _shaped(y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Return weights with one axis less than encoded values, as their losses have.

    Of sequences, (n, 1): Keras does not spread weights of shape (n,) over steps.
    """
    weight = np.ones(len(y)) if weight is None else weight
    missing = (1,) * max(0, y.ndim - 1 - weight.ndim)
    return weight.astype(keras.config.floatx()).reshape(*weight.shape, *missing)
