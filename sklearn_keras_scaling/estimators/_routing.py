"""Parameters of the parts: ``model__units`` reaches the keyword ``units`` of the builder."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .._validation import did_you_mean


class RoutedParameters:
    """Mixin that makes ``part__name`` a parameter like any other.

    Where a part is an object with parameters of its own (a scaler instance),
    ``set_params`` sets them there, as scikit-learn does; everywhere else they are
    kept here and ``fit`` hands them to the part.
    """

    _routes: tuple[str, ...]
    _routed: Mapping[str, Any] = MappingProxyType({})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # scikit-learn takes each name in a class's signature for a parameter, and
        # `routed` is none: it stands for those that get_params lists.
        _, *own = inspect.signature(cls.__init__).parameters.values()
        named = [parameter for parameter in own if parameter.kind is not parameter.VAR_KEYWORD]
        cls.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]  # of any class

    def _assign_routed(self, routed: dict[str, Any]) -> None:
        unknown = [key for key in routed if not self._is_routed(key)]
        if unknown:
            names = [*self._get_param_names(), *(f"{part}__" for part in self._routes)]  # type: ignore[attr-defined]  # BaseEstimator's
            raise TypeError(
                f"{type(self).__name__}.__init__() got an unexpected keyword argument "
                f"{unknown[0]!r}. {did_you_mean(unknown[0], names)}"
            )
        self._routed = routed

    def _is_routed(self, key: str) -> bool:
        part, separator, name = key.partition("__")
        return part in self._routes and bool(separator and name)

    def _routed_to(self, part: str) -> dict[str, Any]:
        prefix = f"{part}__"
        mine = {key: value for key, value in self._routed.items() if key.startswith(prefix)}
        return {key.removeprefix(prefix): value for key, value in sorted(mine.items())}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all parameters, the routed ones included.

        Parameters
        ----------
        deep : bool, default=True
            Also those of scaler instances.

        Returns
        -------
        params : dict
            Parameter names and values.
        """
        params = super().get_params(deep=deep)  # type: ignore[misc]  # BaseEstimator's
        return {**params, **self._routed}

    def set_params(self, **params: Any) -> Any:
        """Set parameters, the routed ones included.

        Parameters
        ----------
        **params : dict
            Names and values; ``optimizer__learning_rate=0.01`` and the like.

        Returns
        -------
        self : object
            The estimator.
        """
        routed = {key: value for key, value in params.items() if self._is_routed(key)}
        super().set_params(**{k: v for k, v in params.items() if k not in routed})  # type: ignore[misc]  # BaseEstimator's
        for key, value in routed.items():
            part, _, name = key.partition("__")
            owner: Any = getattr(self, part, None)
            if hasattr(owner, "set_params") and key not in self._routed:
                owner.set_params(**{name: value})
            else:
                self._routed = {**self._routed, key: value}
        return self
