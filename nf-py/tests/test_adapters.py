"""The signs and the customs of scikit-learn and PyOD."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import neural_filter as nf

pytest.importorskip("sklearn")
import joblib
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import neural_filter.sklearn as nfs

Array = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def data() -> tuple[Array, Array]:
    """Rows, and which of them are strange."""
    random = np.random.default_rng(0)
    usual, strange = random.normal(size=(380, 4)), random.normal(size=(20, 4)) + 6
    return np.vstack([usual, strange]), np.repeat([0, 1], [380, 20])


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [nfs.IsolationForest(trees=20, threads=1), nfs.Autoencoder(hidden=(8,), latent=2, epochs=3, threads=1)]
)
def test_scikit_learn_finds_nothing_wrong(estimator: Any, check: Any) -> None:
    check(estimator)


def test_signs_are_those_of_scikit_learn(data: tuple[Array, Array]) -> None:
    X, y = data
    model = nfs.IsolationForest(contamination=0.05, random_state=0).fit(X)
    assert (model.decision_function(X) == model.score_samples(X) - model.offset_).all()
    assert ((model.predict(X) == -1) == (y == 1)).mean() > 0.98
    assert (model.score_samples(X) == -nf.IsolationForest(random_state=0).fit(X).score(X).astype(float)).all()
    with pytest.raises(ValueError, match="contamination is 0.7, it must be above 0 and at most 0.5"):
        nfs.IsolationForest(contamination=0.7).fit(X)
    with pytest.raises(ValueError, match="contamination is 'auto', it must be above 0 and at most 0.5"):
        nfs.IsolationForest(contamination="auto").fit(X)  # type: ignore[arg-type]


def test_features_fit_in_pipelines(benign: nf.Sessions, tmp_path: Path) -> None:
    some = benign[:300]
    pipeline = make_pipeline(nf.FlowFeatures(), nfs.IsolationForest(trees=10, random_state=0))
    labels = clone(pipeline).fit(some).predict(some)
    joblib.dump(pipeline.fit(some), tmp_path / "pipeline")
    assert (joblib.load(tmp_path / "pipeline").predict(some) == labels).all()
    scores = cross_val_score(pipeline, some, scoring=lambda model, X, y=None: float((model.predict(X) == 1).mean()), cv=3)
    assert len(scores) == 3 and scores.min() > 0.5
    assert pipeline.set_params(flowfeatures=nf.PacketFeatures(1)).get_params()["flowfeatures__n"] == 1
    for features in (nf.PacketFeatures(3), nf.FlowFeatures() + nf.ContextFeatures(), nf.IsolationForest(trees=3)):
        assert clone(features).get_params() == features.get_params()
    assert clone(nf.Autoencoder(hidden=[8])).get_params()["hidden"] == [8]


def test_adapters_have_the_parameters_of_the_models() -> None:
    pyod = pytest.importorskip("neural_filter.pyod")
    for name in ("IsolationForest", "Autoencoder"):
        for adapters in (nfs, pyod):
            assert set(getattr(nf, name)().get_params()) == set(getattr(adapters, name)().get_params()) - {"contamination"}


def test_fits_in_pipelines_and_searches(data: tuple[Array, Array]) -> None:
    X, y = data
    pipeline = make_pipeline(StandardScaler(), nfs.IsolationForest(random_state=0))
    grid = GridSearchCV(
        pipeline, {"isolationforest__trees": [5, 50]}, scoring=lambda model, X, y: (model.predict(X) == 1 - 2 * y).mean()
    )
    assert grid.fit(X, y).best_score_ > 0.9 and grid.predict(X).shape == y.shape


def test_pyod_evaluates_the_models_as_its_own(data: tuple[Array, Array], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyod")
    import neural_filter.pyod as nfp
    from pyod.utils.data import evaluate_print
    from pyod.utils.utility import precision_n_scores

    X, y = data
    for model in (
        nfp.IsolationForest(contamination=0.05, random_state=np.random.RandomState(0)),
        nfp.Autoencoder(contamination=0.05, epochs=20, hidden=[8], latent=2, random_state=0),
    ):
        model.fit(X)
        assert model.labels_.sum() == 20 and model.decision_scores_.shape == (400,)
        assert (model.decision_function(X) == model.decision_scores_).all()
        assert precision_n_scores(y, model.decision_scores_) > 0.9
        assert model.predict_proba(X).shape == (400, 2) and ((model.predict(X) == 1) == (y == 1)).mean() > 0.97
        evaluate_print(type(model).__name__, y, model.decision_scores_)
        assert "ROC:" in capsys.readouterr().out
        assert set(model.get_params()) >= {"contamination", "random_state"}
