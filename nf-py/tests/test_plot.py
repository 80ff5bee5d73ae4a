from __future__ import annotations

import pytest

import neural_filter as nf

pytest.importorskip("matplotlib").use("Agg")
from neural_filter import plot


def test_axes_are_named_and_have_what_they_show(detector: nf.Detector, benign: nf.Sessions, attacks: nf.Sessions) -> None:
    verdicts, usual = detector.judge(attacks), detector.judge(benign)
    place = int(verdicts.score.argmax())
    explanation = detector.explain(attacks[place], verdicts[place])
    axes = [
        plot.packet_sizes(benign),
        plot.session_durations(benign),
        plot.anomaly_timeline(verdicts),
        plot.score_distribution(usual.score, detector.threshold_, verdicts.score[verdicts.anomaly]),
        plot.budget_reliability(usual.p_value),
        plot.training_curves(detector.history_),
    ]
    for ax in axes:
        assert (ax.get_title() or ax.get_title(loc="left")) and ax.get_xlabel() and ax.get_ylabel()
    assert sum(bar.get_height() for bar in axes[0].patches) == len(benign)
    assert sum(len(dots.get_offsets()) for dots in axes[2].collections) == len(attacks)
    assert [bar.get_width() for bar in plot.protocols(benign).patches][0] > 1000
    assert len(plot.dashboard(verdicts).axes) == 4
    strip = plot.packet_strip(attacks[place], explanation)
    assert strip.get_xlabel() and strip.get_title() == explanation.carriers[explanation.shown]["session"]
    assert not explanation.packets.any() and "no head" in strip.texts[0].get_text()
    assert not plot.training_curves([]).lines
    for nothing in (plot.packet_sizes(benign[:0]), plot.session_durations(benign[:0]), plot.anomaly_timeline(verdicts[:0])):
        assert nothing.get_xlabel()
