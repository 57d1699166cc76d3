"""What a distribution is, and how it is told in a config."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from scipy import special

from .._validation import did_you_mean

#: The classes that have names.
REGISTERED: dict[str, type[Distribution]] = {}

Class = TypeVar("Class", bound="type[Distribution]")


class Distribution(ABC):
    """A distribution of one number in scaled space, whose parameters a network returns.

    They stand side by side on the last axis of its outputs, ``n_outputs`` of them. Derive from
    it for a distribution of your own, as a frozen dataclass, and give it a name with
    :func:`register_distribution`. Methods with ``xp`` are written against an array namespace
    that is NumPy on the host and ``keras.ops`` in a graph.

    Attributes
    ----------
    keeps_zero : bool
        Whether zero means something, so that a scaler must not move it.

    See Also
    --------
    register_distribution : Gives a distribution a name.
    """

    keeps_zero: bool = False

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """How many numbers a network returns for one target number."""

    @abstractmethod
    def parameters(self, outputs: Any, xp: Any) -> tuple[Any, ...]:
        """Return the parameters that a network's outputs stand for.

        Parameters
        ----------
        outputs : array of shape (..., n_outputs)
            What the network returns: any numbers.
        xp : module
            Array namespace.

        Returns
        -------
        parameters : tuple of arrays of shape (...)
            On the host float64; in a graph of the dtype of ``outputs``.
        """

    @abstractmethod
    def log_likelihood(self, y: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the logarithm of the density at ``y``.

        Parameters
        ----------
        y : array of shape (...)
            Target numbers in scaled space.
        parameters : tuple
            As :meth:`parameters` returns them.
        xp : module
            Array namespace.

        Returns
        -------
        log_likelihood : array of shape (...)
            In nats, of numbers in scaled space.
        """

    @abstractmethod
    def cdf(self, y: Any, parameters: tuple[Any, ...]) -> np.ndarray:
        """Return the probability of a number up to ``y``, of shape (...), on the host."""

    @abstractmethod
    def quantile(self, q: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the number that is not exceeded with probability ``q``.

        Parameters
        ----------
        q : float or ndarray that broadcasts against shape (...)
            Between 0 and 1, on the host: it is a constant of a graph.
        parameters : tuple
            As :meth:`parameters` returns them.
        xp : module
            Array namespace.

        Raises
        ------
        ValueError
            If ``q`` is not between 0 and 1.
        """

    @abstractmethod
    def mean(self, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the mean, of shape (...), in scaled space."""

    @abstractmethod
    def std(self, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the standard deviation, of shape (...), in scaled space."""

    def loss(self, y: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return what training makes small, of shape (...): minus the log-likelihood."""
        return xp.negative(self.log_likelihood(y, parameters, xp))

    def crps(self, y: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the continuous ranked probability score, of shape (...), in units of ``y``.

        ``E|Y - y| - E|Y - Y'| / 2`` [1]_: the absolute error of a distribution.

        Raises
        ------
        NotImplementedError
            If it has no closed form here.

        References
        ----------
        .. [1] T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and
           estimation", JASA 102 (2007).
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no closed form of the CRPS. These have one: {_with_crps()}."
        )

    def location(self, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return what ``predict`` returns, of shape (...): the mean."""
        return self.mean(parameters, xp)

    def shape(self, parameters: tuple[Any, ...]) -> tuple[int, ...]:
        """Return the shape of the numbers that these are the parameters of."""
        return tuple(parameters[0].shape)

    def at_scores(self, t: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the numbers that are as probable as those of a standard normal distribution.

        ``quantile(Phi(t))``, but exact where ``Phi(t)`` is next to 1.

        Parameters
        ----------
        t : float or ndarray that broadcasts against shape (...)
            Normal scores, on the host.
        parameters : tuple
            As :meth:`parameters` returns them.
        xp : module
            Array namespace.
        """
        # Some beyond 8.3 would be 1 itself, of which there is no quantile.
        p = np.clip(special.ndtr(t), np.finfo(float).tiny, 1.0 - 2.0**-53)
        return self.quantile(p, parameters, xp)

    def components(self, parameters: tuple[Any, ...], xp: Any) -> list[tuple[Any, Any]]:
        """Return functions like :meth:`at_scores` without jumps, and the share of each.

        Integrals are taken over each by itself. A share is an array of shape (...), or None
        for all.
        """
        return [(None, lambda t: self.at_scores(t, parameters, xp))]

    @property
    def knots(self) -> tuple[float, ...]:
        """Normal scores at which :meth:`at_scores` has a kink."""
        return ()

    def get_config(self) -> dict[str, Any]:
        """Return the name and the constructor's parameters, as JSON can hold them.

        Raises
        ------
        ValueError
            If the class has no name.
        """
        names = [name for name, known in REGISTERED.items() if known is type(self)]
        if not names:
            raise ValueError(
                f"{type(self).__name__} has no name by which a file could tell it. Put "
                "@register_distribution('a name') above the class."
            )
        return {"name": names[0], **{k: _plain(v) for k, v in constructed(self).items()}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Distribution:
        """Return the distribution that :meth:`get_config` told.

        Raises
        ------
        ValueError
            If the class of that name is not registered.
        """
        given = {name: value for name, value in config.items() if name != "name"}
        return find(config["name"])(**given)


def register_distribution(name: str) -> Callable[[Class], Class]:
    """Give a distribution of one's own a name.

    The name can then be passed as ``distribution``, and files tell the class by it: import the
    module that registers before you load one.

    Parameters
    ----------
    name : str
        Not yet taken by another class.

    Returns
    -------
    decorator : callable
        Returns the class unchanged.

    Raises
    ------
    TypeError
        If the class is not derived from :class:`Distribution`.
    ValueError
        If the name is taken.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from sklearn_keras_scaling.distributions import Normal
    >>> @register_distribution("narrow_normal")
    ... @dataclass(frozen=True)
    ... class NarrowNormal(Normal):
    ...     def std(self, parameters, xp):
    ...         return super().std(parameters, xp) * 0.5
    >>> NarrowNormal().get_config()
    {'name': 'narrow_normal'}
    """

    def decorate(cls: Class) -> Class:
        if not (isinstance(cls, type) and issubclass(cls, Distribution)):
            raise TypeError(
                f"register_distribution({name!r}) takes a class derived from Distribution, got "
                f"{cls!r}."
            )
        known = REGISTERED.get(name, cls)
        # A notebook's cell that runs again defines the same class anew.
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(
                f"The name {name!r} is taken by {known.__module__}.{known.__qualname__}. Choose "
                f"another one for {cls.__qualname__}."
            )
        REGISTERED[name] = cls
        return cls

    return decorate


def find(name: str) -> type[Distribution]:
    """Return the class of this name.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name not in REGISTERED:
        raise ValueError(
            f"distribution={name!r} is no known distribution. {did_you_mean(name, REGISTERED)} "
            "One of your own needs @register_distribution, in a module that is imported."
        )
    return REGISTERED[name]


def constructed(distribution: Distribution) -> dict[str, Any]:
    """Return the parameters of the constructor, each an attribute of the same name."""
    names = inspect.signature(type(distribution)).parameters
    return {name: getattr(distribution, name) for name in names}


def scores(q: Any) -> np.ndarray:
    """Return the normal scores of probabilities.

    Raises
    ------
    ValueError
        If one is not between 0 and 1.
    """
    q = np.asarray(q, dtype=np.float64)
    wrong = q[~((q > 0.0) & (q < 1.0))]
    if wrong.size:
        raise ValueError(
            f"A quantile's probability lies between 0 and 1, both excluded, got {wrong[0]:g}. "
            "Write 0.95 for 95 %."
        )
    return np.asarray(special.ndtri(q))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _with_crps() -> str:
    classes = [known for known in REGISTERED.values() if known.crps is not Distribution.crps]
    return ", ".join(sorted(known.__name__ for known in classes))
