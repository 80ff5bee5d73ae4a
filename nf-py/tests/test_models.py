from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import neural_filter as nf

Array = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def X() -> Array:
    return np.random.default_rng(0).normal(size=(600, 5)).astype(np.float32)


def autoencoder() -> nf.Autoencoder:
    return nf.Autoencoder(hidden=[8], latent=2, epochs=3, random_state=1)


def transformer() -> nf.Transformer:
    return nf.Transformer(d_model=8, heads=2, layers=1, d_ff=8, epochs=2, random_state=1)


def test_defaults_are_those_of_the_engine() -> None:
    for shown in (*nf.Autoencoder().get_params().values(), *nf.Transformer().get_params().values()):
        assert not isinstance(shown, float) or len(repr(shown)) < 8, "as the engine's sources have it"
    defaults = {"trees": 200, "samples": 2048, "extension": 0, "random_state": 0, "threads": 0}
    assert nf.IsolationForest().get_params() == defaults
    assert nf.Autoencoder(latent=3).get_params()["latent"] == 3
    params = nf.Transformer().get_params()
    assert (params["attention"], params["objective"], params["strangeness"]) == ("full", "reconstruct", "density")
    assert (params["checkpoint"], params["checkpoint_every"], params["random_state"]) == (None, 100, 0)
    assert repr(nf.IsolationForest(trees=9)).startswith("<IsolationForest not fitted: ")
    assert "trees=9" in repr(nf.IsolationForest(trees=9))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nf.IsolationForest(extension=1, threads=2),
        nf.Rarity,
        lambda: nf.Autoencoder(variational=0.5, strangeness="density", scale=False, checkpoint="there", checkpoint_every=3),
        lambda: nf.Transformer(attention=("window", 4, 2, True), objective=("masked", 0.25), strangeness="error"),
        lambda: nf.Transformer(attention=("low_rank", 4), objective="next_packet"),
    ],
)
def test_parameters_make_the_same_object_again(make: Callable[[], Any]) -> None:
    params = make().get_params()
    assert type(make())(**params).get_params() == params and make()._own.items() <= params.items()


def test_the_engine_gets_what_is_said(X: Array, benign: nf.Sessions) -> None:
    """Each parameter changes scores, so none is lost on its way."""

    def differs(a: nf.IsolationForest | nf.Autoencoder | nf.Transformer, b: Any, data: Any) -> bool:
        return bool((a.fit(data).score(data) != b.fit(data).score(data)).any())

    assert differs(nf.IsolationForest(trees=5), nf.IsolationForest(trees=5, extension=2), X)
    small: dict[str, Any] = {"hidden": [8], "latent": 2, "epochs": 2, "random_state": 1}
    for changed in ({"variational": 1.0}, {"strangeness": "density"}):
        assert differs(nf.Autoencoder(**small), nf.Autoencoder(**small, **changed), X)
    rows = nf.PacketFeatures(8).transform(benign[:100])
    small = {"d_model": 8, "heads": 2, "layers": 1, "d_ff": 8, "epochs": 1, "random_state": 1}
    plain = nf.Transformer(**small)
    changes: list[dict[str, Any]] = [
        {"objective": ("masked", 0.3)},
        {"objective": "next_packet"},
        {"strangeness": "error"},
        {"attention": ("window", 1, 0)},
        {"attention": "linear"},
    ]
    for changed in changes:
        assert differs(plain, nf.Transformer(**small, **changed), rows), changed


def test_columns_keep_the_names_of_a_data_frame(X: Array) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    names = list("abcde")
    for frame in (pandas.DataFrame(X, columns=names), polars.DataFrame(X, schema=names)):
        model = nf.IsolationForest(trees=5).fit(frame)
        assert model.model_.columns == names
        assert (model.score(frame) == model.score(X)).all(), "an array has no names"
        with pytest.raises(nf.SchemaError, match="column 0 is 'e', the model was fitted with 'a' there"):
            model.score(frame[names[::-1]])
        nf.IsolationForest(trees=5).fit(X).score(frame)
    assert nf.IsolationForest(trees=5).fit(pandas.DataFrame(X)).model_.columns == ["x0", "x1", "x2", "x3", "x4"]


def test_parameters_change_for_the_next_fit(X: Array) -> None:
    model = nf.IsolationForest(trees=5).fit(X)
    scores = model.score(X)
    assert (model.set_params(trees=9).score(X) == scores).all() and model.get_params()["trees"] == 9
    assert (model.fit(X).score(X) == nf.IsolationForest(trees=9).fit(X).score(X)).all()
    assert model.set_params(trees=None).get_params()["trees"] == 200


def test_a_stopped_training_goes_on_from_its_checkpoint(X: Array, tmp_path: Path) -> None:
    path = tmp_path / "training"
    whole = autoencoder().fit(X).score(X)

    def stop(progress: nf.Progress) -> None:
        raise RuntimeError("the power went")

    def again(**changed: Any) -> nf.Autoencoder:
        params = {**autoencoder().get_params(), "checkpoint": path, "checkpoint_every": 5, **changed}
        return nf.Autoencoder(**params)

    with pytest.raises(RuntimeError, match="the power went"):
        again().fit(X, callback=stop)
    assert path.exists()
    with pytest.raises(ValueError, match="the checkpoint was made with latent 2, here it is 3; give another path"):
        again(latent=3).fit(X)
    with pytest.raises(nf.DataError, match="training: the checkpoint was made from 600 rows .* here are 500 rows"):
        again().fit(X[:500])
    resumed = again()
    seen: list[nf.Progress] = []
    assert (resumed.fit(X, callback=seen.append).score(X) == whole).all() and not path.exists()
    assert seen[0].epoch == 2, "the first epoch is not trained again"
    path.write_bytes(b"something else")
    with pytest.raises(nf.ModelFileError, match="not the checkpoint of a training"):
        again().fit(X)
    with pytest.raises(ValueError, match="checkpoint.every is 0, it must be at least 1"):
        nf.Autoencoder(checkpoint=tmp_path / "other", checkpoint_every=0).fit(X)


def test_names_that_were_seen_seldom_are_strange(benign: nf.Sessions, attacks: nf.Sessions) -> None:
    spec = nf.ServiceFeatures()
    model = nf.Rarity().fit(spec.transform(benign))
    scores = model.score(spec.transform(benign))
    assert model.score(spec.transform(attacks)).max() > scores.max() and (scores > 0).all()
    assert (pickle.loads(pickle.dumps(model)).score(spec.transform(benign)) == scores).all()


def test_models_go_to_other_runtimes_as_onnx(X: Array, benign: nf.Sessions) -> None:
    rows = nf.PacketFeatures(8).transform(benign[:50])
    for model, data in ((nf.IsolationForest(trees=5), X), (autoencoder(), X), (transformer(), rows)):
        assert model.fit(data).to_onnx()[:2] == b"\x08\x08", "the field ir_version of an ONNX file"
    scaled = np.asarray(autoencoder().fit(X * 100).scaled(X * 100))
    assert scaled.shape == X.shape and 0.5 < scaled.std() < 2
    assert (np.asarray(nf.IsolationForest(trees=5).fit(X).scaled(X)) == X).all()
    with pytest.raises(NotImplementedError, match="model rarity has no form in ONNX"):
        nf.Rarity().fit(nf.ServiceFeatures().transform(benign)).to_onnx()


@pytest.mark.parametrize("make", [lambda: nf.IsolationForest(trees=20), autoencoder])
def test_models_of_flat_rows_score_calibrate_and_predict(make: Callable[[], Any], X: Array) -> None:
    model = make().fit(X[:300]).calibrate(X[300:], 0.02)
    scores = model.score(X)
    assert scores.dtype == np.float32 and scores.shape == (600,)
    assert (model.predict(X) == (scores > model.threshold_)).all() and model.predict(X[300:]).sum() <= 6
    assert model.score(X + 20).min() > model.threshold_ and model.p_values(X + 20).max() <= 0.02
    assert (make().fit(X[:300]).score(X) == scores).all()
    for again in (X.tolist(), X.astype(np.float64), np.asfortranarray(X), nf.Rows.from_array(X)):
        assert (model.score(again) == scores).all()
    assert all(model.score(X[i : i + 1])[0] == scores[i] for i in range(5))
    copy = pickle.loads(pickle.dumps(model))
    assert (copy.score(X) == scores).all() and copy.threshold_ == model.threshold_


def test_sequences_of_arrays_and_of_features(benign: nf.Sessions) -> None:
    rows = nf.PacketFeatures(8).transform(benign[:300])
    model = transformer().fit(rows)
    scores = model.score(rows)
    assert (model.score(np.asarray(rows), lengths=rows.lengths) == scores).all()
    assert model.expected(rows).shape == rows.shape
    assert (pickle.loads(pickle.dumps(model)).score(rows) == scores).all()
    with pytest.raises(nf.SchemaError, match="the model wants schema packets .* the rows have addresses"):
        model.score(nf.PacketFeatures(8, kind="addresses").transform(benign[:3]))


def test_weights_go_out_and_come_back(X: Array, benign: nf.Sessions) -> None:
    rows = nf.PacketFeatures(8).transform(benign[:200])
    for a, b, data in [(autoencoder(), autoencoder(), X), (transformer(), transformer(), rows)]:
        b._own["random_state"] = 2
        a.fit(data), b.fit(data)
        assert all(w.dtype == np.float32 and w.ndim == 2 for w in a.get_weights())
        ours, theirs = a.score(data), b.score(data)
        assert (a.set_weights(a.get_weights()).score(data) == ours).all()
        assert (a.set_weights(b.get_weights(), data).score(data) == theirs).all()
        mean = [(v + w) / 2 for v, w in zip(a.get_weights(), b.get_weights())]
        assert np.isfinite(a.set_weights(mean).score(data)).all()
        with pytest.raises(nf.SchemaError, match="matrices, this .* has"):
            a.set_weights(mean[1:])
        with pytest.raises(nf.SchemaError, match="matrix 0 has shape"):
            a.set_weights([mean[0].T[:1], *mean[1:]])
        with pytest.raises(nf.DataError, match="matrix 0, value 0 is NaN"):
            a.set_weights([mean[0] * np.nan, *mean[1:]])


def test_unfitted_ones_say_so(X: Array) -> None:
    model = nf.IsolationForest()
    asked: list[Callable[[], object]] = [lambda: model.score(X), lambda: model.calibrate(X, 0.1), lambda: model.model_]
    for ask in asked:
        with pytest.raises(nf.NotFittedError, match="this IsolationForest is not fitted, call fit first"):
            ask()
    model.fit(X)
    later: list[Callable[[], object]] = [lambda: model.predict(X), lambda: model.threshold_, lambda: model.p_values(X)]
    for ask in later:
        with pytest.raises(nf.NotFittedError, match="not calibrated, call calibrate first"):
            ask()
    assert issubclass(nf.NotFittedError, ValueError) and issubclass(nf.NotFittedError, AttributeError)


def test_refusals_name_what_would_be_right(X: Array) -> None:
    wrong: list[tuple[Callable[[], object], type[Exception], str]] = [
        (lambda: nf.IsolationForest(trees=0).fit(X), ValueError, "trees is 0, it must be 1 to 1048576"),
        (lambda: nf.IsolationForest(trees="a").fit(X), TypeError, "trees is 'a', it must be a whole number"),  # type: ignore[arg-type]
        (lambda: nf.Autoencoder(noise=-1).fit(X), ValueError, "noise is -1, it must be 0 or more"),
        (lambda: nf.Transformer(attention="half").fit(X), ValueError, "attention is 'half', it must be"),
        (lambda: nf.Transformer(objective="masked"), ValueError, r"objective is 'masked', it must be 'reconstruct', \('masked', ratio\)"),
        (lambda: nf.Transformer(objective=("masked", 0.99)).fit(X), ValueError, "ratio is 0.99, it must be 0.01 to 0.9"),
        (lambda: nf.Autoencoder(strangeness="odd"), ValueError, "strangeness is 'odd', it must be 'error' or 'density'"),
        (lambda: nf.Autoencoder(variational=-1).fit(X), ValueError, "variational is -1, it must be 0 or more"),
        (lambda: nf.IsolationForest(extension=5).fit(X), ValueError, "extension is 5, it must be below 5"),
        (lambda: nf.IsolationForest().fit(X).model_.weights(), TypeError, "model isolation_forest has no weights"),
        (lambda: nf.Transformer(d_model=7).fit(X), ValueError, "d_model is 7, it must be even"),
        (lambda: nf.IsolationForest().fit(X[:0]), nf.DataError, "0 rows, an isolation forest needs at least 2"),
        (lambda: nf.IsolationForest().fit([[1.0, np.nan]] * 3), nf.DataError, "row 0, step 0, column x1 is NaN"),
        (lambda: nf.IsolationForest().fit(np.zeros((4, 2, 2))), nf.SchemaError, "wants rows of 1 step each"),
        (lambda: nf.IsolationForest().fit(X).score(X[:, :3]), nf.SchemaError, "has 3 columns, it must have 5"),
        (lambda: nf.IsolationForest().fit(X).calibrate(X[:9], 0.01), nf.DataError, "9 held-out benign sessions cannot"),
        (lambda: nf.IsolationForest().fit(X).calibrate(X, 2.0), ValueError, "false_positive_rate is 2"),
        (lambda: nf.Autoencoder(learning_rate=1e30).fit(X), nf.TrainingError, "a learning_rate below"),
        (lambda: nf.IsolationForest(trees=10.0).fit(X), TypeError, "trees is 10.0, it must be a whole number"),  # type: ignore[arg-type]
        (lambda: nf.IsolationForest(trees=-1).fit(X), ValueError, "trees is -1, it must be at least 0"),
        (lambda: nf.IsolationForest(random_state=-1).fit(X), ValueError, "random_state is -1, it must be at least 0"),
        (lambda: nf.IsolationForest(random_state=2**64).fit(X), ValueError, r"random_state is 18446744073709551616, it must be below 2\*\*64"),
        (lambda: nf.IsolationForest(threads=-1).fit(X), ValueError, "threads is -1, it must be at least 0"),
        (lambda: nf.Autoencoder(noise=float("nan")).fit(X), ValueError, "noise is nan, it must be finite"),
        (lambda: nf.Autoencoder(noise="x").fit(X), TypeError, "noise is 'x', it must be a number"),  # type: ignore[arg-type]
        (lambda: nf.Autoencoder(hidden=8).fit(X), TypeError, "hidden is 8, it must be a list of whole numbers"),  # type: ignore[arg-type]
        (lambda: nf.IsolationForest().set_params(tree=3), ValueError, "there is no parameter tree, there are: extension, samples"),
        (lambda: nf.IsolationForest().fit(np.full((3, 2), 1e300)), nf.DataError, r"value 0 of the array is 1e300, beyond what float32"),
        (lambda: nf.IsolationForest().fit(nf.Rows.from_array(X), lengths=[1] * 600), TypeError, "rows bring their own lengths"),
        (lambda: nf.IsolationForest().fit(X, lengths=[1.0] * 600), nf.DataError, "lengths have dtype float64, they must be whole numbers"),
        (lambda: nf.IsolationForest().fit(X, lengths=[-1] * 600), nf.DataError, "row 0 has length -1, it must be 0 or more"),
    ]
    for ask, kind, message in wrong:
        with pytest.raises(kind, match=message):
            ask()


def test_the_callback_is_called_once_an_epoch_and_may_end_the_fit(X: Array) -> None:
    seen: list[nf.Progress] = []
    model = autoencoder().fit(X, callback=seen.append)
    assert [progress.epoch for progress in seen] == [1, 2, 3] == [progress.epoch for progress in model.history_]
    assert all(progress.head == "autoencoder" and progress.held_out_loss is not None for progress in seen)
    assert seen[-1].steps == 3 * 540 == seen[-1].padded_steps and seen[-1].gradient_norm is not None
    assert nf.Progress.from_json(seen[0].to_json()) == seen[0] == pickle.loads(pickle.dumps(seen[0])) != seen[1]

    def stop(progress: nf.Progress) -> None:
        raise RuntimeError(f"enough at {progress.epoch}")

    other = autoencoder()
    with pytest.raises(RuntimeError, match="enough at 1"):
        other.fit(X, callback=stop)
    with pytest.raises(nf.NotFittedError):
        other.score(X)


def test_a_bar_is_shown_where_it_is_asked_for(X: Array, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    autoencoder().fit(X, progress=True)
    assert "autoencoder" in capsys.readouterr().err
    autoencoder().fit(X, progress=False)
    assert capsys.readouterr().err == ""


def test_a_bar_is_shown_where_somebody_watches(X: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("neural_filter._progress._SHORT", 0.0)
    for watched, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", watched)
        autoencoder().fit(X)
        assert ("autoencoder" in watched.getvalue()) == shown
    # As of a program without a console.
    monkeypatch.setattr(sys, "stderr", None)
    for progress in (None, True):
        autoencoder().fit(X, progress=progress)


def test_ctrl_c_ends_a_fit_soon_and_leaves_the_object_unfitted(X: Array) -> None:
    many = np.tile(X, (100, 1))
    model = nf.Autoencoder(epochs=10_000, threads=1)
    pressed = 0.0

    def press() -> None:
        nonlocal pressed
        time.sleep(0.6)
        pressed = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(many)
    late = time.perf_counter() - pressed
    thread.join()
    # 0.1 s and one step of some milliseconds; the rest is for a busy machine.
    assert late < 1.0, late
    with pytest.raises(nf.NotFittedError):
        model.score(X)


def test_other_threads_run_while_one_fits_and_share_what_is_fitted(X: Array) -> None:
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.005)

    thread = threading.Thread(target=tick)
    thread.start()
    model = nf.Autoencoder(epochs=30, threads=1).fit(np.tile(X, (5, 1)))
    done.set()
    thread.join()
    assert len(ticks) > 10
    scores = model.score(X)
    found: list[Array] = []
    threads = [threading.Thread(target=lambda: found.append(model.score(X))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all((other == scores).all() for other in found)
