from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pytest

import neural_filter as nf


def owner(array: npt.NDArray[Any]) -> object:
    """Whose memory it looks into."""
    return array.base


def test_rows_are_looked_into_without_a_copy(benign: nf.Sessions) -> None:
    rows = nf.PacketFeatures(16).transform(benign)
    array = np.asarray(rows)
    assert array.shape == rows.shape == (len(benign), 16, 8) and array.dtype == np.float32
    assert owner(array) is rows and not array.flags.writeable and array.flags.c_contiguous
    assert np.asarray(rows).__array_interface__["data"] == array.__array_interface__["data"]
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0, 0] = 1
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        array.flags.writeable = True
    assert rows.lengths.dtype == np.uint32 and owner(rows.lengths) is rows
    assert rows.lengths.tolist() == np.minimum(16, [session.packets for session in benign]).tolist()
    assert not array[rows.lengths == 2][:, 2:].any()
    del rows
    assert np.isfinite(array).all()


def test_a_copy_where_it_is_asked_for(benign: nf.Sessions) -> None:
    rows = nf.FlowFeatures().transform(benign[:5])
    assert np.array(rows, copy=True).flags.writeable and np.asarray(rows, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="another dtype needs a copy"):
        np.array(rows, dtype=np.float64, copy=False)


def test_specs_stand_side_by_side_and_are_named(benign: nf.Sessions) -> None:
    both = nf.FlowFeatures() + nf.ContextFeatures()
    rows = both.fit_transform(benign)
    assert rows.columns == both.get_feature_names_out().tolist() and rows.shape == (len(benign), len(rows.columns))
    assert pl.DataFrame(rows).columns == rows.columns
    assert (pl.DataFrame(rows).to_numpy() == np.asarray(rows)).all()
    some = both.select(["service_gap", "duration"])
    assert some.transform(benign).columns == ["duration", "service_gap"]
    assert nf.PacketFeatures(3, kind="addresses").transform(benign).fingerprint != rows.fingerprint
    assert nf.FlowFeatures() == nf.FlowFeatures() != nf.ContextFeatures()
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: nf.PacketFeatures(0), "n is 0, it must be 1 to 65536"),
        (lambda: nf.PacketFeatures(-1), "n is -1, it must be 1 to 65536"),
        (lambda: nf.PacketFeatures(3, kind="x"), "kind is 'x', it must be 'behaviour' or 'addresses'"),
        (lambda: both.select(["x"]), "column is x, it must be a column of the spec"),
        (lambda: nf.FlowFeatures() + nf.FlowFeatures(), "cannot stand side by side"),
    ]
    for wrong, message in refused:
        with pytest.raises(ValueError, match=message):
            wrong()


def test_columns_and_rows_are_pickled(benign: nf.Sessions) -> None:
    config = nf.SessionConfig(idle_tcp=0.1, look_every=None)
    assert pickle.loads(pickle.dumps(config)) == config == copy.deepcopy(config)
    for features in (nf.PacketFeatures(3, kind="addresses"), nf.FlowFeatures() + nf.ContextFeatures(), nf.ServiceFeatures()):
        again = pickle.loads(pickle.dumps(features))
        assert again == features and type(again) is type(features) and again.get_params() == features.get_params()
        rows = features.transform(benign[:9])
        same = pickle.loads(pickle.dumps(rows))
        assert (np.asarray(same) == np.asarray(rows)).all() and (same.lengths == rows.lengths).all()
        assert same.fingerprint == rows.fingerprint and same.columns == rows.columns and same.shape == rows.shape
    assert nf.PacketFeatures(3).set_params(n=5).transform(benign[:2]).shape == (2, 5, 8)
    with pytest.raises(ValueError, match="there is no parameter m, there are: n, kind"):
        nf.PacketFeatures(3).set_params(m=5)
    assert (np.asarray(nf.FlowFeatures().transform([benign[3], benign[1]])) == np.asarray(nf.FlowFeatures().transform(benign[[3, 1]]))).all()
    with pytest.raises(TypeError, match="a str was given, it must be Sessions or a list of Session"):
        nf.FlowFeatures().transform("monday.pcap")  # type: ignore[arg-type]


class ArrowOnly:
    """A table of some library that NumPy does not know."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("form", ["table", "batch", "polars", "pandas", "other"])
def test_tables_bring_the_names_of_their_columns(form: str) -> None:
    values = np.random.default_rng(0).normal(size=(300, 3)).round(3)
    values[:, 2] = (9 * values[:, 2]).round()
    table = pa.table({"a": values[:, 0], "b": pa.array(values[:, 1], pa.float32()), "c": values[:, 2].astype("int16")})
    forms: dict[str, Callable[[pa.Table], Any]] = {
        "table": lambda table: table,
        "batch": lambda table: table.to_batches()[0],
        "polars": pl.DataFrame,
        "pandas": lambda table: table.to_pandas(),
        "other": ArrowOnly,
    }
    made = forms[form]
    model = nf.IsolationForest(random_state=7).fit(made(table))
    assert model.model_.columns == ["a", "b", "c"]
    assert (model.score(made(table)) == model.score(values)).all()
    with pytest.raises(nf.SchemaError, match="column 0 is 'b', the model was fitted with 'a' there"):
        model.score(made(table.select(["b", "a", "c"])))


def test_tables_of_anything_but_numbers_are_refused() -> None:
    wrong = ArrowOnly(pa.table({"a": [1.0, 2.0], "name": ["x", "y"]}))
    with pytest.raises(nf.DataError, match='column "name" is of type Utf8, it must hold real numbers'):
        nf.IsolationForest().fit(wrong)
    with pytest.raises(nf.DataError, match="row 1, step 0, column a is NaN, values must be finite"):
        nf.IsolationForest().fit(ArrowOnly(pa.table({"a": [1, None], "b": [True, False]})))


def test_calibrations_take_anything_like_an_array() -> None:
    calibration = nf.Calibration(range(400))
    assert calibration.p_values([399.0]) < 0.01 and len(nf.Calibration(np.arange(400.0))) == 400
    with pytest.raises(nf.DataError, match=r"the scores have shape \[3, 3\], they must be numbers in one row"):
        nf.Calibration(np.zeros((3, 3)))


def test_context_must_have_been_kept(capture: object) -> None:
    sessions = nf.read_sessions(capture, context=False)  # type: ignore[arg-type]
    with pytest.raises(nf.DataError, match="has no context"):
        nf.ContextFeatures().transform(sessions)


def test_rows_are_chosen_as_in_numpy(benign: nf.Sessions) -> None:
    rows = nf.FlowFeatures().transform(benign)
    array = np.asarray(rows)
    assert (np.asarray(rows[array[:, 0] > 1]) == array[array[:, 0] > 1]).all()
    assert (np.asarray(rows[2:9:3]) == array[2:9:3]).all() and np.asarray(rows[-1]).shape == (1, array.shape[1])
    assert "<table>" in rows._repr_html_() and repr(rows).startswith("Rows('flow'")


def test_rows_of_arrays_are_checked() -> None:
    make = nf.Rows.from_array
    assert make([[1, 2], [3, 4]]).columns == ["x0", "x1"] and make([[1, 2]], None, ["a", "b"]).columns == ["a", "b"]
    assert make(np.zeros((3, 4, 2)), [4, 1, 0]).lengths.tolist() == [4, 1, 0]
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: make([1.0]), r"the array has shape \[1\], it must be \(rows, columns\)"),
        (lambda: make([["a"]]), "the array has dtype <U1, it must hold real numbers"),
        (lambda: make([[1.0, np.inf]]), "row 0, step 0, column x1 is inf, values must be finite"),
        (lambda: make(np.zeros((1, 2, 2)), [3]), "row 0 has length 3, it must be at most 2"),
        (lambda: make(np.zeros((2, 2, 2)), [1]), "do not make 1 rows"),
        (lambda: make([[1, 2]], None, ["a"]), "the array has 2 columns, it must have 1"),
        (lambda: make(np.zeros((2, 0, 2))), "the array has 0 steps"),
    ]
    for wrong, message in refused:
        with pytest.raises(ValueError, match=message):
            wrong()
