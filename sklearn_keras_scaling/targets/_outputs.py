"""What a network returns, by the names of its outputs."""

from __future__ import annotations

from typing import Any, NoReturn

from .._optional import keras


def refuse_outputs(network: Any, outputs: Any, expected: str) -> NoReturn:
    """Raise ``ValueError``: the outputs have another shape than was expected."""
    found = keras.tree.map_structure(lambda output: ("batch", *output.shape[1:]), outputs)
    raise ValueError(
        f"The network {network.name!r} returns outputs of shape {found}, but {expected}."
    )


def named_outputs(network: Any, outputs: Any, names: set[str]) -> dict[str, Any] | None:
    """Return the outputs by name, or None if they are others."""
    if isinstance(outputs, dict):
        found = dict(outputs)
    elif isinstance(outputs, list | tuple) and hasattr(network, "output_names"):
        found = dict(zip(network.output_names, outputs, strict=True))
    else:
        return None
    return found if set(found) == names else None
