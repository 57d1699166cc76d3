"""How scikit-learn shows an estimator in a notebook: scaler, network, scaler."""

from __future__ import annotations

from typing import Any

from sklearn.utils._repr_html.estimator import _VisualBlock

from .._structure import names, parts


def visual_block(estimator: Any) -> _VisualBlock:
    """Return the parts of an estimator in the order in which data pass them."""
    fitted = estimator.__sklearn_is_fitted__()
    blocks = [_scalers(estimator, "input_scaler", fitted), _network(estimator, fitted)]
    if hasattr(estimator, "target_scaler"):
        blocks.append(_scalers(estimator, "target_scaler", fitted))
    labels = ["input_scaler", "network", "target_scaler (inverse)"][: len(blocks)]
    return _VisualBlock("serial", blocks, names=labels, dash_wrapped=True)


def _scalers(estimator: Any, parameter: str, fitted: bool) -> Any:
    value = getattr(estimator, f"{parameter}_" if fitted else parameter)
    if not isinstance(value, dict | list):
        return _one(value)
    return _VisualBlock(
        "parallel", [_one(each) for each in parts(value)], names=[str(n) for n in names(value)]
    )


def _one(scaler: Any) -> Any:
    text = "passthrough" if scaler is None else scaler
    if hasattr(scaler, "get_params"):
        return scaler
    return _VisualBlock("single", None, names=str(text), name_details=repr(scaler))


def _network(estimator: Any, fitted: bool) -> _VisualBlock:
    if not fitted:
        model = estimator.model
        name = "default network" if model is None else getattr(model, "__name__", None)
        text = (
            f"hidden_layer_sizes={estimator.hidden_layer_sizes}" if model is None else repr(model)
        )
        return _VisualBlock("single", None, names=name or "network", name_details=text)
    network = estimator.network_
    details = [f"{network.count_params():,} parameters, {estimator.n_iter_} epochs"]
    details += [
        f"{layer.name}: {type(layer).__name__}, {layer.count_params():,}"
        for layer in network.layers
    ]
    return _VisualBlock(
        "single", None, names=f"network_: {network.name}", name_details="\n".join(details)
    )
