"""What can be found, by code, and how it is told."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._validation import did_you_mean
from ..exceptions import ScalingWarning


@dataclass(frozen=True)
class Kind:
    """What all findings of one code have in common.

    Attributes
    ----------
    is_severe : bool
        Whether ``fit`` warns of it.
    problem, remedy : str
        What is wrong and what to do.
    """

    is_severe: bool
    problem: str
    remedy: str


#: By code. A code keeps its meaning for ever: people write them into ``ignore``.
KINDS = {
    "SKS001": Kind(
        True,
        "the output activation cannot reach the scaled targets",
        "End the network with the activation that a builder is offered as output_activation: "
        "linear for 'standard', 'robust' and 'squash', sigmoid for 'minmax', tanh for 'maxabs'. Or "
        "take the target_scaler whose range the activation has.",
    ),
    "SKS002": Kind(
        False,
        "the output saturates at the edge of the scaled targets",
        "Leave head room, also for unseen extremes: target_scaler=MinMaxScaler((0.1, 0.9)) for "
        "sigmoid, (-0.9, 0.9) for tanh; or a linear output.",
    ),
    "SKS003": Kind(
        False,
        "the last layer has no bias, and the scaled targets are not centred",
        "Use use_bias=True in the last layer, or target_scaler='standard'.",
    ),
    "SKS004": Kind(
        True,
        "no layer has a bias, so that zeros become zeros, and the numbers are not centred",
        "Use use_bias=True, or input_scaler='standard' and target_scaler='standard'.",
    ),
    "SKS005": Kind(
        False,
        "the network normalises again what a scaler has scaled",
        "Take one of the two: input_scaler=None, or a network without the layer. The scaler's "
        "statistics are exact, those of a BatchNormalization lag behind.",
    ),
    "SKS006": Kind(
        True,
        "the first layer scales numbers of another range than it is given",
        "Give it raw units by input_scaler=None, or leave the layer out.",
    ),
    "SKS007": Kind(
        True,
        "the loss means nothing for the scaled targets",
        "Use a loss of differences such as 'mean_squared_error', or compute it in target units: "
        "ScaledKerasRegressor(loss_units='target').",
    ),
    "SKS008": Kind(
        True,
        "one loss adds up targets of very different sizes, so that it sees the largest alone",
        "Use target_scaler='standard', which gives each column and output the same weight.",
    ),
    "SKS009": Kind(
        True,
        "inputs of several orders of magnitude reach the network unscaled",
        "Use input_scaler='standard', or 'robust' where there are outliers.",
    ),
    "SKS010": Kind(
        True,
        "images or other integers reach the network unscaled",
        "Use input_scaler='minmax' or 'standard' (channel-first: MinMaxScaler(axis=1)).",
    ),
    "SKS011": Kind(
        True,
        "inputs in [0, 1] meet a network that was trained on another range",
        "Use input_scaler=MinMaxScaler((-1, 1)) or input_scaler=None, whichever has the range "
        "that it was trained on.",
    ),
    "SKS012": Kind(
        False,
        "columns are constant, or nearly so, and tell the network nothing",
        "Drop them, for example by VarianceThreshold in a Pipeline.",
    ),
    "SKS013": Kind(
        True,
        "outliers squeeze nearly all values into a small part of the scaler's range",
        "Use 'robust' or 'squash' as the scaler, or PowerTransformer() or QuantileTransformer().",
    ),
    "SKS014": Kind(
        True,
        "float32, in which networks compute, cannot hold the differences within the column",
        "Pass float64 and use 'standard' or 'minmax' as the scaler: they subtract in float64.",
    ),
    "SKS015": Kind(
        False,
        "validation data lie outside the range of the training data",
        "Split so that both cover the range. Where the level drifts, predict differences, or use "
        "'standard' as the scaler and a linear output.",
    ),
    "SKS016": Kind(
        False,
        "weight decay or a constraint acts on weights that fold would change",
        "Ship the network with to_keras, which leaves its weights alone; or fold after training, "
        "to predict, and use no constraint.",
    ),
    "SKS017": Kind(
        True,
        "the output is a softmax of a single number, which is always 1",
        "Of two classes, use a sigmoid, or a softmax of two units; of numbers, the "
        "output_activation that a builder is offered.",
    ),
    "SKS018": Kind(
        True,
        "a softmax makes the outputs of a row sum to 1, which the scaled targets do not",
        "Use the output_activation that a builder is offered: each number then has a value of its "
        "own.",
    ),
    "SKS019": Kind(
        True,
        "a softmax makes probabilities sum to 1 that need not: of several labels a row, of each "
        "place in a row, or to be above each of several classes",
        "End the network with a sigmoid, which leaves each probability to itself.",
    ),
    "SKS020": Kind(
        True,
        "the end of the network is dead: it returns the same for all rows, and has no slope there "
        "to learn by",
        "End the network with softplus or a linear activation; or begin with weights that keep it "
        "alive, such as bias_initializer='ones' in the last layer.",
    ),
    "SKS021": Kind(
        True,
        "the output activation has numbers that are no probabilities of labels",
        "End the network with softmax for one label, or with sigmoid for several labels or one "
        "column.",
    ),
    "SKS022": Kind(
        True,
        "the output activation cannot reach all parameters of the distribution, which takes any "
        "numbers and makes positive what must be",
        "End the network with a linear layer.",
    ),
    "SKS023": Kind(
        True,
        "the target scaler's way back loses the targets: predictions cannot be right, whatever the "
        "network learns",
        "Use a scaler that keeps the digits of numbers far from zero: 'standard', or a "
        "StandardScaler before a power, in a pipeline; or mend an inverse that is none.",
    ),
    "SKS024": Kind(
        True,
        "a layer looks up codes, or cuts numbers at given places, and a scaler has moved them",
        "Use input_scaler='auto', which leaves these columns as they are and standardises the "
        "others; or input_scaler=None for an input of their own.",
    ),
    "SKS025": Kind(
        True,
        "a Masking looks for padding that a scaler has moved, and so leaves none out",
        "Use a scaler that leaves mask_value where it is: input_scaler='maxabs' for 0, or None. "
        "Or give the Masking the number that padding becomes.",
    ),
}


@dataclass(frozen=True)
class Finding:
    """Something about a network and its scaling that does not fit.

    Attributes
    ----------
    code : str
        ``"SKS001"`` and so on; ``docs/findings.md`` lists them.
    layer : str or None
        The layer or input that it is about, as far as it is known.
    evidence : str
        What was measured.
    severity : {"severe", "advice"}
        ``fit`` warns of the severe ones.
    problem, remedy : str
        What is wrong and what to do.

    Examples
    --------
    >>> print(Finding("SKS005", "norm", "its outputs have mean 0 and standard deviation 1"))
    SKS005 (advice), layer 'norm': the network normalises again what a scaler has scaled.
      Measured: its outputs have mean 0 and standard deviation 1.
      Remedy: Take one of the two: input_scaler=None, or a network without the layer. The scaler's \
statistics are exact, those of a BatchNormalization lag behind.
    """

    code: str
    layer: str | None
    evidence: str

    @property
    def severity(self) -> str:
        """How bad it is."""
        return "severe" if KINDS[self.code].is_severe else "advice"

    @property
    def problem(self) -> str:
        """What is wrong."""
        return KINDS[self.code].problem

    @property
    def remedy(self) -> str:
        """What to do."""
        return KINDS[self.code].remedy

    def __str__(self) -> str:
        """Return it in three lines."""
        where = "" if self.layer is None else f", layer {self.layer!r}"
        return (
            f"{self.code} ({self.severity}){where}: {self.problem}.\n"
            f"  Measured: {self.evidence}.\n  Remedy: {self.remedy}"
        )


def check_codes(parameter: str, codes: Any) -> frozenset[str]:
    """Return codes to be silent about.

    Raises
    ------
    TypeError
        If they are no sequence of codes.
    ValueError
        If a code is unknown.
    """
    if isinstance(codes, str) or not isinstance(codes, Sequence | set | frozenset):
        raise TypeError(f'{parameter} must be a tuple of codes, got {codes!r}. Write ("SKS001",).')
    for code in codes:
        if code not in KINDS:
            raise ValueError(
                f"{parameter} names {code!r}, which is no code of a finding. "
                f"{did_you_mean(str(code), KINDS)}"
            )
    return frozenset(codes)


def warn_of(findings: list[Finding], stacklevel: int) -> None:
    """Raise the severe findings, if any, as one warning.

    Its text has no numbers or names that change from fit to fit: Python then shows it once
    in a search.
    """
    severe = [finding for finding in findings if finding.severity == "severe"]
    if severe:
        kinds = {finding.code: KINDS[finding.code] for finding in severe}
        said = "".join(f"\n{code}: {kind.problem}. {kind.remedy}" for code, kind in kinds.items())
        silence = ", ".join(map(repr, kinds)) + ("," if len(kinds) == 1 else "")
        message = (
            f"The network and its scaling do not fit:{said}\nprint(*estimator.findings_) shows "
            f"what was measured; ignore_findings=({silence}) is silent about it."
        )
        warnings.warn(ScalingWarning(message, severe), stacklevel=stacklevel + 1)
