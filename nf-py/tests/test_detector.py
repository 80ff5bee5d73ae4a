from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import neural_filter as nf


def test_attacks_alert_and_benign_traffic_does_not(detector: nf.Detector, benign: nf.Sessions, attacks: nf.Sessions) -> None:
    verdicts = detector.judge(attacks)
    assert len(verdicts) == len(attacks) and verdicts.anomaly.sum() > 5000
    assert detector.judge(benign).anomaly.mean() < 0.03
    assert verdicts.score.dtype == np.float32 and verdicts.p_value.dtype == np.float64
    alerts = attacks[verdicts.anomaly]
    assert len(alerts) == verdicts.anomaly.sum() == len(verdicts[verdicts.anomaly].sessions)
    assert detector.heads_ == nf.default_heads() and set(nf.default_heads()) < set(nf.available_heads())


def test_verdicts_are_a_table(detector: nf.Detector, attacks: nf.Sessions) -> None:
    verdicts = detector.judge(attacks)
    frame = pl.DataFrame(verdicts)
    assert frame["score"].to_numpy().tolist() == verdicts.score.tolist()
    assert frame["anomaly"].to_list() == verdicts.anomaly.tolist()
    assert {f"p_value_{head}" for head in detector.heads_} < set(frame.columns)
    place = int(verdicts.score.argmax())
    verdict = verdicts[place]
    assert verdict.anomaly and bool(verdict) and verdict.score == verdicts.score[place] > verdict.threshold
    assert verdict.heads["forest"][1] == frame["p_value_forest"][place] and str(verdict).startswith("anomaly, score")
    assert "anomaly" in verdicts._repr_html_() and repr(verdicts).startswith("Verdicts(9904 sessions")


def test_an_alert_is_explained(detector: nf.Detector, attacks: nf.Sessions) -> None:
    verdicts = detector.judge(attacks)
    place = int(verdicts.score.argmax())
    explanation = detector.explain(attacks[place], verdicts[place])
    assert explanation.turned_normal and explanation.facts[0]["contribution"] > 0
    cell = explanation.facts[0]["cells"][0]
    assert cell["observed"] != cell["expected"] and explanation.facts[0]["sentence"] in str(explanation)
    assert explanation._repr_html_().startswith('<div class="nf-explained">') and "<svg" in explanation._repr_html_()
    assert len(explanation.packets) == 0, "no head reads packets"
    with pytest.raises(nf.DataError, match="the verdict is that of"):
        detector.explain(attacks[0 if place else 1], verdicts[place])
    assert detector.judge_alone(attacks[place]).score > 0 and str(detector.explain(attacks[place]))


def test_files_and_pickles_judge_to_the_same_bits(detector: nf.Detector, attacks: nf.Sessions, tmp_path: Path) -> None:
    path = tmp_path / "office.nf"
    detector.save(path)
    scores = detector.judge(attacks).score
    for other in (nf.Detector.load(path), pickle.loads(pickle.dumps(detector))):
        assert other.judge(attacks).score.tobytes() == scores.tobytes()
    assert json.loads(nf.Card.read(path).to_json()) == json.loads(detector.card().to_json())
    assert "What it promises" in str(detector.card()) and "<!doctype html>" in detector.card().to_html("office")
    assert "What it promises" in detector.card()._repr_html_()
    (tmp_path / "cut.nf").write_bytes(path.read_bytes()[:-9])
    with pytest.raises(nf.ModelFileError, match="cut.nf: the model file is corrupt or cut off"):
        nf.Detector.load(tmp_path / "cut.nf")
    with pytest.raises(nf.ModelFileError, match="not a model file of this crate"):
        nf.Detector.load(__file__)
    with pytest.raises(FileNotFoundError):
        nf.Detector.load(tmp_path / "none.nf")


def test_sessions_are_judged_in_the_order_of_their_packets(detector: nf.Detector, attacks: nf.Sessions) -> None:
    order = np.random.default_rng(0).permutation(len(attacks))
    assert (detector.judge(attacks[order]).score == detector.judge(attacks).score[order]).all()


def test_sessions_cut_in_another_way_are_refused(detector: nf.Detector, benign: nf.Sessions, capture: Path) -> None:
    pairs = nf.read_sessions(capture, key="host_pair")
    asked: list[Callable[[], object]] = [
        lambda: detector.judge(pairs),
        lambda: detector.judge_alone(pairs[0]),
        lambda: detector.explain(pairs[0]),
        lambda: detector.recalibrate(pairs),
        lambda: nf.Monitor(detector, pairs.config),
    ]
    for ask in asked:
        with pytest.raises(ValueError, match="key is host_pair, it must be five_tuple as in the detector's training"):
            ask()
    with pytest.raises(ValueError, match="held_out: key is host_pair, it must be five_tuple"):
        nf.Detector(heads=["forest"]).fit(benign, pairs)
    with pytest.raises(ValueError, match="context is false, it must be true, head .* reads it"):
        detector.judge(nf.read_sessions(capture, context=False))
    assert len(detector.judge(nf.read_sessions(capture, idle_tcp=5))) > 0, "timeouts may differ"


def test_verdicts_arrays_are_views(detector: nf.Detector, benign: nf.Sessions) -> None:
    verdicts = detector.judge(benign)
    for name in ("score", "p_value", "threshold", "anomaly"):
        array = getattr(verdicts, name)
        assert array.base is verdicts and not array.flags.writeable
        assert array.__array_interface__["data"] == getattr(verdicts, name).__array_interface__["data"]
    assert verdicts.columns == pl.DataFrame(verdicts).columns


def test_parameters_are_kept_and_changed(benign: nf.Sessions, tmp_path: Path) -> None:
    detector = nf.Detector(heads=["forest"], random_state=7)
    assert detector.get_params()["random_state"] == 7 and nf.Detector(**detector.get_params()).get_params() == detector.get_params()
    assert detector.set_params(false_positive_rate=0.02).fit(benign).false_positive_rate_ == 0.02
    with pytest.raises(ValueError, match="there is no parameter head, there are: heads, false_positive_rate"):
        detector.set_params(head=1)
    with pytest.raises(ValueError, match="not both"):
        detector.set_params(alerts_per_hour=1)
    detector.save(tmp_path / "office.nf")
    assert nf.Detector.load(tmp_path / "office.nf").get_params() == nf.Detector().get_params()


def test_files_that_cannot_be_used_are_named(detector: nf.Detector, tmp_path: Path) -> None:
    asked: list[tuple[Callable[[], object], str]] = [
        (lambda: detector.save("/nope/x.nf"), "/nope/x.nf"),
        (lambda: nf.Detector.load(tmp_path / "x.nf"), str(tmp_path / "x.nf")),
        (lambda: nf.Card.read(tmp_path / "x.nf"), str(tmp_path / "x.nf")),
        (lambda: nf.read_sessions("/nope/x.pcap"), "/nope/x.pcap"),
    ]
    for ask, path in asked:
        with pytest.raises(FileNotFoundError) as error:
            ask()
        assert (error.value.errno, error.value.filename) == (2, path)
        assert str(error.value) == f"[Errno 2] No such file or directory: '{path}'"


def test_other_budgets(detector: nf.Detector, attacks: nf.Sessions) -> None:
    wider = detector.with_false_positive_rate(0.05)
    assert wider.false_positive_rate_ == 0.05 and wider.threshold_ < detector.threshold_
    assert wider.judge(attacks).anomaly.sum() >= detector.judge(attacks).anomaly.sum()
    with pytest.raises(nf.DataError, match="more are needed"):
        detector.with_false_positive_rate(1e-7)


def test_refusals_name_what_would_be_right(benign: nf.Sessions) -> None:
    with pytest.raises(nf.NotFittedError, match="this Detector is not fitted, call fit or Detector.load first"):
        nf.Detector().judge(benign)
    with pytest.raises(nf.DataError, match="at least 100 are needed"):
        nf.Detector().fit(benign[:80])
    with pytest.raises(ValueError, match="head is none, it must be one of session"):
        nf.Detector(heads=["none"]).fit(benign)
    with pytest.raises(ValueError, match="contamination is 0.9, it must be 0 to 0.25"):
        nf.Detector(contamination=0.9).fit(benign)
    with pytest.raises(ValueError, match="not both"):
        nf.Detector(false_positive_rate=0.1, alerts_per_hour=1)
    with pytest.raises(ValueError, match="random_state is -1, it must be at least 0"):
        nf.Detector(random_state=-1).fit(benign)
    with pytest.raises(ValueError, match="threads is -1, it must be 0 to 65535"):
        nf.Detector(threads=-1).fit(benign)
    with pytest.raises(TypeError, match=r"heads is 'forest', it must be a list of names: \['forest'\]"):
        nf.Detector(heads="forest").fit(benign)
    with pytest.raises(TypeError, match=r"'list' object is not an instance of 'Sessions'\nwhile processing 'sessions'"):
        nf.Detector(heads=["forest"]).fit(benign[:2000]).judge([benign[0]])  # type: ignore[arg-type]
    assert repr(nf.Detector(random_state=7)) == "Detector(random_state=7)"


def test_heads_held_out_sessions_and_the_seed_are_taken(benign: nf.Sessions, attacks: nf.Sessions) -> None:
    half = len(benign) // 2
    seen: list[nf.Progress] = []
    detector = nf.Detector(heads=["forest"], random_state=1, evidence=False).fit(
        benign[:half], benign[half:], callback=seen.append
    )
    assert detector.heads_ == ["forest"] and seen[-1].head == "forest" and seen[-1].done == 1
    again = nf.Detector(heads=["forest"], random_state=1, evidence=False).fit(benign[:half], benign[half:])
    other = nf.Detector(heads=["forest"], random_state=2, evidence=False).fit(benign[:half], benign[half:])
    scores = detector.judge(attacks).score
    assert (again.judge(attacks).score == scores).all() and (other.judge(attacks).score != scores).any()
    assert all(verdict.sessions == 1 for verdict in detector.judge(attacks[:50]))


def test_threads_share_a_detector(detector: nf.Detector, attacks: nf.Sessions) -> None:
    parts = [attacks[start : start + 400] for start in range(0, 2000, 400)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda part: detector.judge(part).score.tobytes(), parts * 2))
        told = list(pool.map(lambda place: str(detector.explain(attacks[place])), range(8)))
    assert together == 2 * [detector.judge(part).score.tobytes() for part in parts]
    assert told == [str(detector.explain(attacks[place])) for place in range(8)]
