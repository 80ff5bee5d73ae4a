"""Estimators around the engine's models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._estimator import Estimator, Network

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike


class IsolationForest(Estimator):
    """Isolation forest: strange rows are separated from the others by few random cuts.

    Parameters
    ----------
    trees : int, optional
        How many trees.
    samples : int, optional
        How many rows a tree is grown from, 2 to 65536; all where there are fewer.
    extension : int, optional
        How many columns more than one a cut looks at: above 0 cuts are oblique (Hariri et al., 2021), which takes that many
        times as long to judge.
    random_state : int, optional
        Where the random numbers start.
    threads : int, optional
        How many threads fit, 0 for one a core. The forest does not depend on it.

    Examples
    --------
    >>> import numpy as np, neural_filter as nf
    >>> X = np.random.default_rng(0).normal(size=(2000, 3)).astype("float32")
    >>> forest = nf.IsolationForest(random_state=7).fit(X[:1000]).calibrate(X[1000:], 0.01)
    >>> forest.predict([[0, 0, 0], [9, 9, 9]]).tolist()
    [0, 1]
    """

    _kind = "isolation_forest"

    def __init__(
        self,
        *,
        trees: int | None = None,
        samples: int | None = None,
        extension: int | None = None,
        random_state: int | None = None,
        threads: int | None = None,
    ) -> None:
        params = {"trees": trees, "samples": samples, "extension": extension}
        super().__init__({**params, "random_state": random_state, "threads": threads})


class Rarity(Estimator):
    """How seldom the values of a row were seen: for columns that name, as those of `ServiceFeatures`, not for measures.

    Examples
    --------
    >>> import neural_filter as nf
    >>> sessions = nf.read_sessions("examples/data/benign.pcap.zst")
    >>> rows = nf.ServiceFeatures().transform(sessions)
    >>> scores = nf.Rarity().fit(rows).score(rows)
    >>> print(sessions[scores.argmax()].protocol)
    tcp
    """

    _kind = "rarity"

    def __init__(self) -> None:
        super().__init__({})


class Autoencoder(Network):
    """Denoising autoencoder: rows that a narrow network cannot rebuild are strange.

    Parameters
    ----------
    hidden : list of int, optional
        Units of the layers between the columns and the latent.
    latent : int, optional
        Units of the latent.
    noise : float, optional
        Standard deviation of the noise on the inputs in training.
    variational : float, optional
        What the latents' divergence from a standard normal counts in training; above 0 the autoencoder is variational.
    strangeness : {"error", "density"}, optional
        What is taken for strange: the error of a row's reconstruction, or the distance of its latent from those of the
        training.
    scale : bool
        Whether columns are brought to one scale first, as the detector does; without, the rows should be standardised.
    epochs : int, optional
        How often each row is seen.
    batch : int, optional
        About how many steps (of flat rows: rows) an update is computed from.
    micro_batch : int, optional
        Steps whose gradient is computed at once: a bound on memory.
    learning_rate : float, optional
        The largest step of the optimiser (AdamW), reached after the warm-up.
    weight_decay : float, optional
        Share of a matrix that decays each update, times the learning rate.
    clip : float, optional
        Gradients are scaled down to this norm.
    warm_up : float, optional
        Share of all updates over which the learning rate rises, 0 to 1.
    held_out : float, optional
        Share of the rows, the latest, that tell when to stop, 0 to 0.5.
    patience : int, optional
        Epochs without a better held-out loss until training stops.
    checkpoint : path, optional
        File in which training keeps its state: a fit with the same parameters and rows goes on from there after it was stopped,
        and gives what one that was never stopped gives, bit for bit. A fit that ends removes it.
    checkpoint_every : int, optional
        Updates from one write of the checkpoint to the next.
    random_state : int, optional
        Where the random numbers start.
    threads : int, optional
        How many threads train, 0 for one a core. The network does not depend on it.

    Examples
    --------
    >>> import numpy as np, neural_filter as nf
    >>> X = np.random.default_rng(0).normal(size=(400, 6)).astype("float32")
    >>> model = nf.Autoencoder(hidden=[8], latent=2, epochs=3).fit(X)
    >>> model.score(X).shape, [weights.shape for weights in model.get_weights()][:2]
    ((400,), [(6, 8), (1, 8)])
    """

    _kind = "autoencoder"

    def __init__(
        self,
        *,
        hidden: Sequence[int] | None = None,
        latent: int | None = None,
        noise: float | None = None,
        variational: float | None = None,
        strangeness: str | None = None,
        scale: bool = True,
        epochs: int | None = None,
        batch: int | None = None,
        micro_batch: int | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        clip: float | None = None,
        warm_up: float | None = None,
        held_out: float | None = None,
        patience: int | None = None,
        checkpoint: str | PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        random_state: int | None = None,
        threads: int | None = None,
    ) -> None:
        params = {
            "hidden": hidden,
            "latent": latent,
            "noise": noise,
            "variational": variational,
            "strangeness": strangeness,
            "scale": scale,
            "epochs": epochs,
            "batch": batch,
            "micro_batch": micro_batch,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "clip": clip,
            "warm_up": warm_up,
            "held_out": held_out,
            "patience": patience,
            "checkpoint": checkpoint,
            "checkpoint_every": checkpoint_every,
            "random_state": random_state,
            "threads": threads,
        }
        super().__init__(params)


class Transformer(Network):
    """Transformer over the packets of a session.

    Parameters
    ----------
    d_model, layers, heads, d_ff, dropout : optional
        Sizes of the network.
    attention : {"full", "linear"}, ("window", left, right), ("window", left, right, global), ("low_rank", rank), optional
        How packets see each other: all, or those so many packets back and ahead (with ``global`` all see the first), or in
        linear time. ``nf_core::model::Attention`` has what each costs.
    objective : {"reconstruct", "next_packet"}, ("masked", ratio), optional
        What is learned of each packet: itself, itself from those before it, or itself from the others where that share of
        them is hidden.
    max_steps : int, optional
        Most packets of a session.
    strangeness : {"density", "error"}, optional
        What is taken for strange: the distance of a session's latents from those of the training, or the error of what the
        objective expects.
    epochs : int, optional
        How often each row is seen.
    batch : int, optional
        About how many steps (of flat rows: rows) an update is computed from.
    micro_batch : int, optional
        Steps whose gradient is computed at once: a bound on memory.
    learning_rate : float, optional
        The largest step of the optimiser (AdamW), reached after the warm-up.
    weight_decay : float, optional
        Share of a matrix that decays each update, times the learning rate.
    clip : float, optional
        Gradients are scaled down to this norm.
    warm_up : float, optional
        Share of all updates over which the learning rate rises, 0 to 1.
    held_out : float, optional
        Share of the rows, the latest, that tell when to stop, 0 to 0.5.
    patience : int, optional
        Epochs without a better held-out loss until training stops.
    checkpoint : path, optional
        File in which training keeps its state: a fit with the same parameters and rows goes on from there after it was stopped,
        and gives what one that was never stopped gives, bit for bit. A fit that ends removes it.
    checkpoint_every : int, optional
        Updates from one write of the checkpoint to the next.
    random_state : int, optional
        Where the random numbers start.
    threads : int, optional
        How many threads train, 0 for one a core. The network does not depend on it.

    Examples
    --------
    >>> import neural_filter as nf
    >>> sessions = nf.read_sessions("examples/data/benign.pcap.zst")[:200]
    >>> rows = nf.PacketFeatures(8).transform(sessions)
    >>> model = nf.Transformer(d_model=8, heads=2, layers=1, d_ff=8, epochs=1).fit(rows)
    >>> model.score(rows).dtype
    dtype('float32')
    """

    _kind = "transformer"

    def __init__(
        self,
        *,
        d_model: int | None = None,
        layers: int | None = None,
        heads: int | None = None,
        d_ff: int | None = None,
        dropout: float | None = None,
        attention: str | tuple[Any, ...] | None = None,
        objective: str | tuple[str, float] | None = None,
        max_steps: int | None = None,
        strangeness: str | None = None,
        epochs: int | None = None,
        batch: int | None = None,
        micro_batch: int | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        clip: float | None = None,
        warm_up: float | None = None,
        held_out: float | None = None,
        patience: int | None = None,
        checkpoint: str | PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        random_state: int | None = None,
        threads: int | None = None,
    ) -> None:
        params = {
            "d_model": d_model,
            "layers": layers,
            "heads": heads,
            "d_ff": d_ff,
            "dropout": dropout,
            "attention": attention,
            "objective": objective,
            "max_steps": max_steps,
            "strangeness": strangeness,
            "epochs": epochs,
            "batch": batch,
            "micro_batch": micro_batch,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "clip": clip,
            "warm_up": warm_up,
            "held_out": held_out,
            "patience": patience,
            "checkpoint": checkpoint,
            "checkpoint_every": checkpoint_every,
            "random_state": random_state,
            "threads": threads,
        }
        super().__init__(params)
