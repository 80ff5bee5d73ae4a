"""Incidents, drift, recalibration, reports and the monitor: what goes on around a detector."""

from __future__ import annotations

import json
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import iso

import neural_filter as nf

DATA = Path(__file__).resolve().parents[2] / "examples" / "data"


@pytest.fixture(scope="module")
def forest(benign: nf.Sessions) -> nf.Detector:
    return nf.Detector(heads=["forest", "rhythm"], random_state=7).fit(benign)


@pytest.fixture(scope="module")
def verdicts(forest: nf.Detector, attacks: nf.Sessions) -> nf.Verdicts:
    return forest.judge(attacks)


def test_alerts_are_grouped_into_incidents(forest: nf.Detector, verdicts: nf.Verdicts) -> None:
    incidents = verdicts.incidents()
    assert 0 < len(incidents) < 60 and repr(incidents).startswith(f"Incidents({len(incidents)} incidents, ")
    frame = pl.DataFrame(incidents)
    assert frame.columns == incidents.columns and frame.height == len(incidents)
    assert frame["incident"].to_list() == [incident.id for incident in incidents]
    assert frame["summary"].to_list() == [incident.summary for incident in incidents]
    assert (frame["sessions"] <= verdicts.anomaly.sum()).all()
    largest = incidents[int(frame["sessions"].arg_max() or 0)]
    assert largest.sessions == frame["sessions"].max() and sum(largest.heads.values()) == largest.sessions
    assert largest.centre in largest.sources + largest.destinations and str(largest).startswith(f"incident {largest.id}")
    assert largest.first_ns <= largest.opened_ns <= largest.updated_ns and largest.first_ns <= largest.last_ns
    assert largest.evidence[0]["p_value"] == largest.p_value and len(largest.evidence) <= 5
    explanation = forest.explain(largest)
    assert explanation.facts and explanation.verdict.anomaly and str(largest.session.orig[0]) in explanation._repr_html_()
    chosen = incidents[(frame["sessions"] > 10).to_numpy()]
    assert len(chosen) == (frame["sessions"] > 10).sum() and largest.summary in str(chosen)
    assert "lowest p-value" in incidents._repr_html_()
    shown = iso(largest.first_ns)
    assert f"incident {largest.id}, {shown} for " in repr(largest) and shown in str(incidents)
    assert f"<td>{shown}</td>" in incidents[[int(frame["sessions"].arg_max() or 0)]]._repr_html_()


def test_rules_of_incidents_are_the_engine_s(verdicts: nf.Verdicts) -> None:
    assert len(verdicts.incidents(from_=40.0, from_crowd=50.0)) < len(verdicts.incidents())
    assert len(verdicts[:0].incidents()) == 0 and pl.DataFrame(verdicts[:0].incidents()).height == 0
    with pytest.raises(ValueError, match="from is 0, it must be above 0 and finite"):
        verdicts.incidents(from_=0)
    with pytest.raises(ValueError, match="silence is 1 s, it must be at least within, 30 s"):
        verdicts.incidents(silence=1)
    with pytest.raises(ValueError, match="within is -1, it must be seconds"):
        verdicts.incidents(within=-1)


def test_all_alerts_are_explained_at_once(forest: nf.Detector, verdicts: nf.Verdicts) -> None:
    some = verdicts[2000:2040]
    explanations = forest.explain_all(some, threads=1)
    assert [explanation is not None for explanation in explanations] == some.anomaly.tolist()
    place = int(some.anomaly.argmax())
    explanation = explanations[place]
    assert explanation is not None and str(explanation) == str(forest.explain(some.sessions[place], some[place]))
    assert explanation.verdict.score == some[place].score and explanation.after.score < explanation.verdict.score
    assert 0 <= explanation.shown < len(explanation.carriers) and explanation.carriers[0]["score"] > 0
    assert all(fact["carrier"] < len(explanation.carriers) for fact in explanation.facts)
    with pytest.raises(TypeError, match="an incident is explained by its own verdict"):
        forest.explain(verdicts.incidents()[0], verdicts[0])


def test_a_page_holds_the_incidents(forest: nf.Detector, verdicts: nf.Verdicts) -> None:
    page = forest.page(verdicts, "Wednesday <1>")
    assert page.startswith("<!doctype html>") and "Wednesday &lt;1&gt;" in page
    assert verdicts.incidents()[0].summary.replace(">", "&gt;") in page and "<script" not in page


def test_a_monitor_gives_what_judge_gives(forest: nf.Detector, verdicts: nf.Verdicts, attacks: nf.Sessions) -> None:
    monitor = nf.Monitor(forest)
    scores: list[float] = []
    counts: Counter[str] = Counter()
    closed: list[str] = []
    for event in monitor.replay(DATA / "attacks.pcap.zst"):
        counts[event.kind] += 1
        assert str(event) in repr(event)
        assert event.session is None or f": {iso(event.session.start_ns)} " in str(event)
        if event.kind == "verdict":
            assert event.verdict is not None and event.session is not None and event.incident is None
            scores.append(event.verdict.score)
        elif event.kind == "look":
            assert event.verdict is not None and event.verdict.anomaly
        elif event.kind == "incident":
            assert event.incident is not None and event.change in ("opened", "grown", "closed")
            if event.change == "closed":
                closed.append(event.incident.summary)
        elif event.kind == "drift":
            assert event.alarm is not None and event.alarm.strength > 0
        assert event.error is None
    assert np.array(scores, dtype=np.float32).tobytes() == verdicts.score.tobytes()
    assert sorted(closed) == sorted(incident.summary for incident in verdicts.incidents())
    stats = monitor.stats
    assert stats["judged"] == len(attacks) == counts["verdict"] and stats["anomalies"] == verdicts.anomaly.sum()
    assert (stats["early"], stats["drift_alarms"]) == (counts["look"], counts["drift"]) and stats["failures"] == 0
    assert repr(monitor).startswith(f"Monitor({stats['frames']} frames, {len(attacks)} sessions judged")


def frames(capture: bytes) -> list[tuple[bytes, int, int]]:
    """Those of a pcap with microseconds: bytes, nanoseconds, length on the wire."""
    found, place = [], 24
    while place < len(capture):
        second, micro, kept, wire = struct.unpack_from("<IIII", capture, place)
        found.append((capture[place + 16 : place + 16 + kept], (second * 1_000_000 + micro) * 1000, wire))
        place += 16 + kept
    return found


def pcap(seconds: int) -> bytes:
    """A UDP packet a second, each of a session of its own."""
    capture = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
    for second in range(seconds):
        udp = bytes.fromhex("4500001e000100004011f96e0a0000010a000002") + struct.pack(">HHHH", 1000 + second, 53, 10, 0) + b"hi"
        frame = bytes(12) + b"\x08\x00" + udp
        capture += struct.pack("<IIII", second, 0, len(frame), len(frame)) + frame
    return capture


def test_frames_may_be_pushed_one_by_one(forest: nf.Detector) -> None:
    capture = pcap(30)
    replayed = [str(event) for event in nf.Monitor(forest).replay(capture)]
    monitor = nf.Monitor(forest, nf.SessionConfig())
    pushed: list[str] = []
    for frame, time_ns, wire_len in frames(capture):
        monitor.push(frame, time_ns, 1, wire_len)
        pushed += [str(event) for event in monitor.events()]
    assert monitor.stats["judged"] == 0, "all of them are open"
    monitor.finish()
    pushed += [str(event) for event in monitor.events()]
    assert pushed == replayed and monitor.stats["packets"] == 30 == monitor.stats["judged"]
    frame, time_ns, wire_len = frames(capture)[0]
    monitor.push(frame, time_ns + 100_000_000_000, 1)
    monitor.advance(3_600_000_000_000)
    ended = [event for event in monitor.events() if event.kind == "verdict"]
    assert len(ended) == 1 and ended[0].session is not None and ended[0].session.end_reason == "idle"
    monitor.push(b"short", 3_700_000_000_000, 1)
    assert sum(monitor.stats["skipped"].values()) == 1


def test_what_a_monitor_refuses(forest: nf.Detector, tmp_path: Path) -> None:
    with pytest.raises(nf.NotFittedError, match="not fitted"):
        nf.Monitor(nf.Detector())
    with pytest.raises(ValueError, match="context is false, it must be true, head .* reads it"):
        nf.Monitor(forest, nf.SessionConfig(context=False))
    with pytest.raises(ValueError, match="from_crowd is 1, it must be at least from"):
        nf.Monitor(forest, from_crowd=1)
    with pytest.raises(FileNotFoundError):
        nf.Monitor(forest).replay(tmp_path / "none.pcap")
    damaged = nf.Monitor(forest)
    with pytest.raises(nf.CaptureError, match="packet 3 at byte .* cut off"):
        list(damaged.replay(pcap(3)[:-5]))
    damaged.finish()
    assert len(list(damaged.events())) == 2


def test_a_changed_network_alarms(forest: nf.Detector) -> None:
    train, usual = (nf.read_sessions(DATA / "lab" / f"{name}.pcap.zst") for name in ("train", "val"))
    detector = nf.Detector(heads=["forest"], random_state=7).fit(train, usual)
    drift = detector.drift()
    assert drift.push(detector.judge(usual)) == [] and not drift.is_stale and drift.late < len(usual)
    assert drift.block == 20 and drift.limit == 30 * 86400 / 20 and 0 < drift.strength < drift.limit
    assert repr(drift).startswith(f"Drift(blocks={drift.blocks}, strength=0.") and drift.blocks > 0
    # Without DNS the traffic is another one.
    other = usual[pl.DataFrame(usual)["dns_name"].is_null()]
    drift = detector.drift(false_alarm_every=4000)
    verdicts = detector.judge(other)
    alarms = drift.push(verdicts[:1000]) + drift.push(verdicts[1000:])
    last = drift.advance(usual[-1].end_ns + 600_000_000_000)
    assert len(alarms) == 1 and last is None and drift.is_stale, "one is given until traffic is as usual again"
    alarm = alarms[0]
    assert alarm.since_ns < alarm.at_ns and alarm.strength >= drift.limit == 200
    assert f"since {iso(alarm.since_ns)} the traffic is not what the detector was calibrated on" in str(alarm) and str(alarm) in repr(alarm)
    assert any(moved["name"] == "udp/53" and moved["now"] == 0 < moved["then"] for moved in alarm.moved)
    assert alarm.moved[0]["name"] == "load" and alarm.moved[0]["unit"] == "sessions/s"
    with pytest.raises(ValueError, match="false_alarm_every is 60s, it must be at least 2000s, 100 blocks of time"):
        detector.drift(false_alarm_every=60)
    with pytest.raises(nf.DataError, match="made from less than 16 whole blocks of 20 s of benign traffic"):
        forest.drift()


def test_recalibration_keeps_its_history(forest: nf.Detector, benign: nf.Sessions) -> None:
    assert forest.recalibrations_ == [] and forest.before_recalibration() is None
    newer = forest.recalibrate(benign[2000:], reason="a new service", false_positive_rate=0.02)
    assert newer.false_positive_rate_ == 0.02
    record = newer.recalibrations_[0]
    assert record["reason"] == "a new service" and record["recent"]["sessions"] == len(benign) - 2000 >= record["kept"]
    before = newer.before_recalibration()
    assert before is not None and before.with_false_positive_rate(0.01).threshold_ == forest.threshold_
    assert "a new service" in str(newer.card())
    with pytest.raises(nf.DataError, match="80 recent sessions to recalibrate on, at least 500 are needed: 420 more"):
        forest.recalibrate(benign[:80])


def test_the_promise_is_reported(forest: nf.Detector, benign: nf.Sessions) -> None:
    report = forest.report()
    assert report.false_positive_rate == 0.01 and str(report).startswith("promised: at most 1.000 % of benign sessions alert")
    assert 0 < report.sessions < len(benign) and report.cold_sessions < report.sessions and report.hours > 0
    assert report.expected_above == pytest.approx(0.01 * report.sessions)
    assert report.alerts_per_hour == pytest.approx(report.expected_above / report.hours)
    assert report.realised is not None and report.interval is not None
    assert report.interval[0] <= report.realised <= report.interval[1] and isinstance(report.tail_is_sound, bool)
    assert "monday.pcap" in str(forest.with_source("monday.pcap", benign).card())
    some = benign[[0, 5, 7]]
    card = json.loads(forest.with_source("some", some).card().to_json())
    source = card["sources"][-1]
    assert (source["sessions"], source["packets"]) == (3, sum(session.packets for session in some))


def test_detectors_go_to_other_runtimes(forest: nf.Detector, tmp_path: Path) -> None:
    forest.export_onnx(tmp_path / "office")
    described = json.loads((tmp_path / "office" / "detector.json").read_text())
    assert [head["name"] for head in described["heads"]] == forest.heads_
    assert all((tmp_path / "office" / head["file"]).stat().st_size > 1000 for head in described["heads"])
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        forest.export_onnx(tmp_path / "file" / "office")


def test_detectors_are_made_of_one_s_own_heads(benign: nf.Sessions, attacks: nf.Sessions, tmp_path: Path) -> None:
    spec, names = nf.FlowFeatures() + nf.ContextFeatures(), nf.ServiceFeatures()
    train, held_out = benign[:3000], benign[3000:]
    forest = nf.IsolationForest(trees=50, extension=1).fit(spec.transform(train))
    rarity = nf.Rarity().fit(names.transform(train))
    detector = nf.Detector.of_heads(
        {"oblique": (spec, forest), "rarity": (names, rarity)}, held_out, weights={"rarity": 0.3}, false_positive_rate=0.02
    )
    assert detector.heads_ == ["oblique", "rarity"] and detector.false_positive_rate_ == 0.02
    verdicts = detector.judge(attacks)
    assert verdicts[5].heads["oblique"][0] == forest.score(spec.transform(attacks[5:6]))[0]
    assert verdicts.anomaly.sum() > 1000
    detector.save(tmp_path / "own.nf")
    assert (nf.Detector.load(tmp_path / "own.nf").judge(attacks).score == verdicts.score).all()
    with pytest.raises(nf.SchemaError, match="head oblique"):
        nf.Detector.of_heads({"oblique": (nf.FlowFeatures(), forest)}, held_out)
    with pytest.raises(ValueError, match="weights names 'x', which is none of the heads: rarity"):
        nf.Detector.of_heads({"rarity": (names, rarity)}, held_out, weights={"x": 1})
    with pytest.raises(nf.NotFittedError, match="this Rarity is not fitted"):
        nf.Detector.of_heads({"rarity": (names, nf.Rarity())}, held_out)
    with pytest.raises(ValueError, match="number of heads is 0"):
        nf.Detector.of_heads({}, held_out)
