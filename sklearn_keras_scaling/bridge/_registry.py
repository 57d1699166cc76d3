"""Which classes have a map, and which bring a network of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from inspect import getattr_static
from typing import Any, TypeVar

import numpy as np

from .._optional import keras
from .._structure import each, names, part, parts
from ..exceptions import UnsupportedTransformerError
from ..maps import IDENTITY, Map, Parallel
from ..maps._namespaces import expm1, log, log1p, number

Convert = TypeVar("Convert", bound=Callable[[Any], Any])

#: By class, or by name: "package.Class" of what need not be installed.
_MAPS: dict[type | str, Callable[[Any], Map]] = {}
_NETWORKS: dict[type | str, Callable[[Any], ScaledNetwork]] = {}
_FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}

#: NumPy's functions that keras.ops has under another name, or not for float64 in a graph, or by
#: operations that runtimes lack.
_OWN_FORMS: dict[str, Callable[[Any], Any]] = {
    "degrees": lambda x: keras.ops.multiply(x, number(180 / np.pi)),
    "exp2": lambda x: keras.ops.exp(keras.ops.multiply(x, number(np.log(2)))),
    "expm1": lambda x: expm1(x, keras.ops),
    "log": lambda x: log(x, keras.ops),
    "log10": lambda x: keras.ops.divide(log(x, keras.ops), number(np.log(10))),
    "log1p": lambda x: log1p(x, keras.ops),
    "log2": lambda x: keras.ops.divide(log(x, keras.ops), number(np.log(2))),
    "positive": lambda x: x,
    "radians": lambda x: keras.ops.multiply(x, number(np.pi / 180)),
    "rint": lambda x: keras.ops.round(x),
}


@dataclass(frozen=True, eq=False)
class ScaledNetwork:
    """A raw-to-raw model in three parts: map, scaled-space network, map.

    The host evaluates it with NumPy around the network and ``to_keras`` as one
    graph, so both give the same answers.

    Attributes
    ----------
    inputs : Map, or dict or list of Map
        For each of the network's inputs; several may read one table.
    network : keras.Model or None
        In scaled space.
    outputs : Map or dict of Map
        For each of the network's outputs, by name.
    order : tuple of int or None
        Puts the columns of several outputs, side by side, into one table.
    views : callable or None
        From the name of something else that the network says to its maps.
    asked : dict or None
        Maps by such names, in place of ``outputs``.
    """

    inputs: Any
    network: Any
    outputs: Any = IDENTITY
    order: tuple[int, ...] | None = None
    views: Callable[[str], Any] | None = None
    asked: dict[str, Any] | None = None

    @property
    def table_map(self) -> Map:
        """One map of all that a table's columns become."""
        if isinstance(self.inputs, Map):
            return self.inputs
        return Parallel(tuple((None, map_) for map_ in parts(self.inputs)))

    def scale(self, raw: Any, xp: Any) -> Any:
        """Return the network's inputs, given an array for each, or one for all."""
        is_table = not isinstance(raw, dict | list)
        return each(
            lambda name, map_: map_.forward(raw if is_table else part(raw, name), xp), self.inputs
        )

    def unscale(self, outputs: Any, xp: Any) -> Any:
        """Return in raw units what the network returned."""
        if self.asked is not None:
            return self._unscale_asked(self.asked, outputs, xp)
        if isinstance(self.outputs, Map):
            return self.outputs.forward(outputs, xp)
        if not isinstance(outputs, dict):
            outputs = dict(zip(self.network.output_names, outputs, strict=True))
        found = each(lambda _, map_, output: map_.forward(output, xp), self.outputs, outputs)
        if self.order is None:
            return found
        return xp.take(xp.concatenate(list(found.values()), axis=-1), np.array(self.order), axis=-1)

    def _unscale_asked(self, asked: dict[str, Any], outputs: Any, xp: Any) -> dict[str, Any]:
        """Return what was asked for, by its name, and by that of the output where it has one."""
        found: dict[str, Any] = {}
        for name, maps in asked.items():
            # A table has the columns of all outputs, some of which may not say it.
            order = self.order if names(maps) == names(self.outputs) else None
            said = replace(self, outputs=maps, asked=None, order=order).unscale(outputs, xp)
            several = said if isinstance(said, dict) else {None: said}
            found |= {name if key is None else f"{key}_{name}": y for key, y in several.items()}
        return found


def register_map(transformer_class: type | str) -> Callable[[Convert], Convert]:
    """Teach :func:`to_keras` a transformer class.

    Parameters
    ----------
    transformer_class : type or str
        Class with ``fit`` and ``transform``. The registration also serves its
        subclasses, unless they override ``transform`` or ``inverse_transform``. Or its
        name, "package.Class", of whatever module of a package that need not be installed.

    Returns
    -------
    decorator : callable
        For a function that takes a fitted instance and returns a
        :class:`sklearn_keras_scaling.maps.Map`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
    >>> from sklearn_keras_scaling import register_map, to_keras
    >>> from sklearn_keras_scaling.maps import Affine
    >>> class Halve(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    ...     def fit(self, X, y=None):
    ...         self.n_features_in_ = np.shape(X)[1]
    ...         return self
    ...     def transform(self, X):
    ...         return np.divide(X, 2)
    >>> @register_map(Halve)
    ... def halve_map(transformer):
    ...     return Affine(loc=0.0, scale=2.0)
    >>> model = to_keras(Halve().fit([[1.0, 2.0]]))
    >>> print(np.asarray(model(np.array([[3.0, 4.0]]))))
    [[1.5 2. ]]
    """

    def decorate(convert: Convert) -> Convert:
        _MAPS[transformer_class] = convert
        return convert

    return decorate


def register_function(function: Callable[..., Any]) -> Callable[[Convert], Convert]:
    """Teach :func:`to_keras` a function of a ``FunctionTransformer``.

    NumPy's own elementwise functions that ``keras.ops`` has too, such as ``numpy.log1p``,
    need no registration.

    Parameters
    ----------
    function : callable
        As it is given to :class:`sklearn.preprocessing.FunctionTransformer`.

    Returns
    -------
    decorator : callable
        For a function that takes a tensor (and the transformer's ``kw_args``) and returns
        one, by operations of ``keras.ops``.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from sklearn_keras_scaling import register_function, to_keras
    >>> def clip_low(X):
    ...     return np.clip(X, 0.5, None)
    >>> @register_function(clip_low)
    ... def clip_low_of_tensor(x):
    ...     return keras.ops.maximum(x, 0.5)
    >>> model = to_keras(FunctionTransformer(clip_low).fit([[1.0, 2.0]]))
    >>> print(np.asarray(model(np.array([[0.0, 3.0]]))))
    [[0.5 3. ]]
    """

    def decorate(counterpart: Convert) -> Convert:
        _FUNCTIONS[function] = counterpart
        return counterpart

    return decorate


def function_pair(function: Any, arguments: dict[str, Any]) -> tuple[Any, Any]:
    """Return a function for arrays, and its form for tensors, which raises if it is not known."""
    if function is None:
        return (_same, _same)
    if function in _FUNCTIONS:
        # On arrays too: the function itself may want the data frame that it was fitted on.
        graph = partial(_FUNCTIONS[function], **arguments)
        return (lambda x: keras.ops.convert_to_numpy(graph(x)), graph)
    host = partial(function, **arguments)
    name = getattr(function, "__name__", repr(function))
    is_stock = isinstance(function, np.ufunc) and getattr(np, name, None) is function
    name = f"np.{name}" if is_stock else name
    if is_stock and function.nin == function.nout == 1 and not arguments:
        known = _OWN_FORMS.get(function.__name__) or getattr(keras.ops, function.__name__, None)
        if known is not None:
            return (host, known)
    return (host, partial(_refuse_function, name))


def _refuse_function(name: str, x: Any) -> Any:
    raise UnsupportedTransformerError(
        f"FunctionTransformer: {name} has no form as Keras operations that is known. Elementwise "
        "functions of NumPy that keras.ops has too are, without kw_args. To add another, register "
        "its counterpart for tensors: "
        + (
            f"@register_function({name})."
            if name.replace(".", "").isidentifier()
            else "give it a name (def), and then @register_function."
        )
    )


def _same(x: Any) -> Any:
    return x


def register_network(estimator_class: type) -> Callable[[Convert], Convert]:
    """Register how a fitted estimator is seen as a :class:`ScaledNetwork`."""

    def decorate(convert: Convert) -> Convert:
        _NETWORKS[estimator_class] = convert
        return convert

    return decorate


def map_of(fitted: Any) -> Map:
    """Return the map of a fitted transformer; of None and "passthrough", the identity.

    Raises
    ------
    UnsupportedTransformerError
        If the class is not registered, or overrides what is registered.
    """
    if fitted is None or (isinstance(fitted, str) and fitted == "passthrough"):
        return IDENTITY
    convert = _find(_MAPS, fitted, ("transform", "inverse_transform"))
    if convert is None:
        raise UnsupportedTransformerError(_refusal(fitted))
    return convert(fitted)


def network_of(fitted: Any) -> ScaledNetwork:
    """Return a fitted estimator, or else transformer, as a :class:`ScaledNetwork`.

    Raises
    ------
    UnsupportedTransformerError
        If neither is registered for the class.
    """
    convert = _find(_NETWORKS, fitted, ("predict",))
    return ScaledNetwork(map_of(fitted), None) if convert is None else convert(fitted)


def is_network(fitted: Any) -> bool:
    """Return whether ``fitted`` predicts through a network, so that it has no inverse."""
    known = _find(_NETWORKS, fitted, ("predict",)) is not None
    return known and network_of(fitted).network is not None


def _find(registry: dict[type | str, Any], fitted: Any, methods: tuple[str, ...]) -> Any:
    """Return the entry of the nearest base class whose ``methods`` are not overridden."""
    found = type(fitted)
    for base in found.__mro__:
        key = _key(base, registry)
        if key is not None:
            kept = all(_method(found, name) is _method(base, name) for name in methods)
            return registry[key] if kept else None
    return None


def _key(cls: type, registry: dict[type | str, Any]) -> type | str | None:
    """Return by what a class is registered."""
    name = f"{cls.__module__.partition('.')[0]}.{cls.__qualname__}"
    return next((key for key in (cls, name) if key in registry), None)


def _method(cls: type, name: str) -> Any:
    # Static: a conditional method such as Pipeline.transform is new at each access.
    return getattr_static(cls, name, None)


def _refusal(fitted: Any) -> str:
    name = type(fitted).__name__
    known = {**_MAPS, **_NETWORKS}
    bases = type(fitted).__mro__[1:]
    overridden = next((base.__name__ for base in bases if _key(base, known)), None)
    reason = (
        f"{name} overrides methods of {overridden}, so its formula is not known"
        if overridden
        else f"{name} has no form as Keras operations"
    )
    supported = ", ".join(sorted({getattr(key, "__name__", str(key)) for key in known}))
    return (
        f"{reason}. Supported: {supported}. To add it, register a function that takes the "
        f"fitted {name} and returns a map: @register_map({name})."
    )
