from __future__ import annotations

from pathlib import Path

import pytest

import neural_filter as nf

pytestmark = pytest.mark.filterwarnings("error")
pytest.importorskip("matplotlib").use("Agg")
from neural_filter import plot


def test_axes_are_named_and_have_what_they_show(
    detector: nf.Detector, benign: nf.Sessions, attacks: nf.Sessions, capture: Path
) -> None:
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
        plot.protocols(benign),
        plot.packet_sizes(nf.read_packets(capture)),
        plot.packet_strip(attacks[place], explanation),
    ]
    for ax in axes:
        assert (ax.get_title() or ax.get_title(loc="left")) and ax.get_xlabel() and ax.get_ylabel()
    assert sum(bar.get_height() for bar in axes[0].patches) == len(benign)
    assert sum(len(dots.get_offsets()) for dots in axes[2].collections) == len(attacks)
    assert [bar.get_width() for bar in axes[6].patches][0] > 1000
    assert sum(bar.get_height() for bar in axes[7].patches) == benign.stats["packets"]
    assert axes[0].get_title() != axes[7].get_title() and "UTC" in axes[2].get_xlabel()
    assert len(plot.dashboard(verdicts).axes) == 4 == len(plot.dashboard(verdicts, nf.read_packets(capture)).axes)
    strip = plot.packet_strip(attacks[place], explanation)
    assert strip.get_xlabel() and strip.get_title() == explanation.carriers[explanation.shown]["session"]
    assert not explanation.packets.any() and "no head" in strip.texts[0].get_text()
    assert not plot.training_curves([]).lines
    for nothing in (plot.score_distribution([], 1.0), plot.protocols(benign[:0]), plot.packet_sizes(benign[:0]), plot.session_durations(benign[:0]), plot.anomaly_timeline(verdicts[:0])):
        assert nothing.get_xlabel()


def test_a_strip_has_the_packets_that_a_head_reads(benign: nf.Sessions, attacks: nf.Sessions) -> None:
    packets = nf.PacketFeatures(8)
    model = nf.Transformer(d_model=8, heads=2, layers=1, d_ff=8, epochs=1, random_state=1).fit(packets.transform(benign[:400]))
    detector = nf.Detector.of_heads({"packets": (packets, model)}, benign[400:], false_positive_rate=0.02)
    verdicts = detector.judge(attacks)
    place = int(verdicts.score.argmax())
    explanation = detector.explain(attacks[place], verdicts[place])
    assert 0 < len(explanation.packets) <= 8 and explanation.packets.max() > 0
    strip = plot.packet_strip(attacks[place], explanation)
    assert strip.images[0].get_array().shape == (1, len(explanation.packets)) and strip.get_ylabel()
    assert strip.images[0].get_extent()[:2] == [0.5, len(explanation.packets) + 0.5], "numbered from 1, as in words"
