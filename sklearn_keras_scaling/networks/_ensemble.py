"""Several networks of one architecture as one."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._optional import keras
from .._structure import each


def join_members(members: list[Any], shapes: Any) -> Any:
    """Return one network whose outputs hold those of each member, on the axis behind the rows.

    Parameters
    ----------
    members : list of keras.Model
        Trained; they become part of it.
    shapes : tuple, or dict or list of tuple
        Of a row of each input.

    Returns
    -------
    network : keras.Model
        Several outputs are a dict.
    """

    def tensor(name: Any, shape: tuple[int, ...]) -> Any:
        return keras.Input(shape, name=name if isinstance(name, str) else None)

    _make_names_differ(members)
    inputs = each(tensor, shapes)
    outputs = [_named(member, member(inputs)) for member in members]
    return keras.Model(inputs, each(lambda _, *one: keras.ops.stack(one, axis=1), *outputs))


def _make_names_differ(members: list[Any]) -> None:
    """Rename networks that have the name of one before, as copies of one and the same have."""
    taken: set[str] = set()
    for member in members:
        name, number = member.name, 1
        while member.name in taken:
            number += 1
            member.name = f"{name}_{number}"
        taken.add(member.name)


def mean_history(histories: list[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """Return the mean over the members of each epoch, over those that came so far.

    Examples
    --------
    >>> mean_history([{"loss": [3.0, 2.0]}, {"loss": [1.0]}])
    {'loss': [2.0, 2.0]}
    """
    if len(histories) == 1:
        return histories[0]
    found: dict[str, list[Any]] = {}
    for key in histories[0]:
        every = [history[key] for history in histories if key in history]
        epochs = range(max(map(len, every)))
        found[key] = [
            np.mean([one[epoch] for one in every if epoch < len(one)], axis=0).tolist()
            for epoch in epochs
        ]
    return found


def _named(member: Any, outputs: Any) -> Any:
    if isinstance(outputs, list | tuple):
        return dict(zip(member.output_names, outputs, strict=True))
    return outputs
