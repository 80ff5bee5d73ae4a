//! The figures of an evaluation: each head alone and all combined, as a table and as JSON.

use super::{
    judged::{JudgedCapture, JudgedSession},
    labels::Label,
    metrics::{CutMetrics, LabelledScores, MACRO_SESSIONS, empirical_threshold},
};
use crate::{Detector, calibration::Calibration};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt};

/// The false-positive budgets that a report states recall at, as shares of benign sessions.
pub const BUDGETS: [f64; 2] = [0.01, 0.001];

/// The figures of an evaluation.
///
/// Recall and realised false-positive rate are stated at two cuts. The *empirical* one is the quantile of the scores of
/// `val`, which says how well a head ranks; the *calibrated* one is the threshold of the detector's own calibration, which is
/// what a user gets.
#[derive(Debug, Clone)]
pub struct Report {
    heads: Vec<(String, HeadReport)>,
    sessions: BTreeMap<String, usize>,
    seconds: Vec<(String, f64)>,
    refusals: Vec<String>,
}

/// The figures of one head, or of all combined.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HeadReport {
    /// Area under the ROC curve of each kind of attack against the benign sessions of the test capture.
    pub auroc: BTreeMap<String, f64>,
    /// Mean of `auroc` over the kinds with at least [`MACRO_SESSIONS`] sessions; `None` without one.
    pub macro_auroc: Option<f64>,
    /// At the empirical quantile of `val`, for each of [`BUDGETS`]; `None` where `val` is empty.
    pub empirical: [Option<CutMetrics>; BUDGETS.len()],
    /// At the threshold of the detector's own calibration, for each of [`BUDGETS`]; `None` where it was calibrated on too
    /// little to promise that.
    pub calibrated: [Option<CutMetrics>; BUDGETS.len()],
    /// How many sessions each kind of attack has.
    pub sessions: BTreeMap<String, usize>,
}

impl Report {
    /// Compares the scores of a labelled capture, `test`, with those of a benign one, `val`, all judged by `detector`. `label`
    /// tells what each session of `test` is; every session of `attacks` is of the kind named.
    pub fn new<'a>(
        detector: &Detector,
        val: &JudgedCapture,
        test: &JudgedCapture,
        label: impl Fn(&JudgedSession) -> Label<'a>,
        attacks: &[(String, JudgedCapture)],
    ) -> Self {
        let mut kinds: Vec<(&JudgedSession, Option<&str>)> = Vec::with_capacity(test.sessions().len());
        for session in test.sessions() {
            match label(session) {
                Label::Benign => kinds.push((session, None)),
                Label::Attack { category, .. } => kinds.push((session, Some(category))),
                Label::AttackerOther => {}
            }
        }
        for (name, capture) in attacks {
            kinds.extend(capture.sessions().iter().map(|session| (session, Some(name.as_str()))));
        }
        let counts = [("val", val.sessions().len()), ("test", kinds.len())];
        let mut report = Self {
            heads: Vec::new(),
            sessions: counts.map(|(name, count)| (name.to_owned(), count)).into(),
            seconds: Vec::new(),
            refusals: Vec::new(),
        };
        let mut add = |name: &str, calibration: &Calibration, score: &dyn Fn(&JudgedSession) -> f32| {
            let val: Vec<f32> = val.sessions().iter().map(score).collect();
            let mut scores = LabelledScores::default();
            for (session, kind) in &kinds {
                scores.push(*kind, score(session));
            }
            let mut refuse = |reason| report.refusals.push(format!("{name}: {reason}"));
            let thresholds = BUDGETS.map(|rate| calibration.threshold(rate).map_err(&mut refuse).ok());
            report.heads.push((name.to_owned(), HeadReport::new(&scores, &val, thresholds, test.seconds())));
        };
        let deciding = detector.evidence_calibration().unwrap_or(detector.calibration());
        add("combined", deciding, &|session| session.score);
        for (place, (name, calibration)) in detector.head_names().zip(detector.head_calibrations()).enumerate() {
            add(name, calibration, &|session| session.heads[place]);
        }
        report
    }

    /// Adds how many sessions a part had.
    #[must_use]
    pub fn sessions(mut self, part: &str, count: usize) -> Self {
        self.sessions.insert(part.to_owned(), count);
        self
    }

    /// Adds how long a phase took, in seconds of wall time.
    #[must_use]
    pub fn phase(mut self, name: &str, seconds: f64) -> Self {
        self.seconds.push((name.to_owned(), seconds));
        self
    }

    /// The figures of all heads combined (named `combined`), then of each head.
    pub fn heads(&self) -> &[(String, HeadReport)] {
        &self.heads
    }

    /// The figures as JSON. Shares are 0 to 1, times seconds; what could not be computed is `null`. `calibrated` repeats, for
    /// each head, what depends on the cut, at the detector's own calibration.
    pub fn to_json(&self) -> String {
        let heads: Map<_, _> = self.heads.iter().map(|(name, head)| (name.clone(), head.to_json())).collect();
        let calibrated: Map<_, _> =
            self.heads.iter().map(|(name, head)| (name.clone(), head.calibrated_json())).collect();
        let seconds: Map<_, _> = self.seconds.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let report = json!({
            "heads": heads, "calibrated": calibrated, "seconds": seconds, "sessions": self.sessions
        });
        format!("{report:#}\n")
    }
}

impl HeadReport {
    fn new(scores: &LabelledScores, val: &[f32], thresholds: [Option<f32>; BUDGETS.len()], seconds: f64) -> Self {
        let cut = |threshold: Option<f32>| Some(scores.cut(threshold?, seconds));
        Self {
            auroc: scores.auroc(),
            macro_auroc: scores.macro_auroc(),
            empirical: BUDGETS.map(|rate| cut(empirical_threshold(val, rate))),
            calibrated: thresholds.map(cut),
            sessions: scores.attacks.iter().map(|(kind, scores)| (kind.clone(), scores.len())).collect(),
        }
    }

    fn to_json(&self) -> Value {
        let mut head = Map::new();
        head.insert("macro_auroc".into(), json!(self.macro_auroc));
        insert_cuts(&mut head, &self.empirical);
        let categories = self.auroc.iter().map(|(kind, auroc)| {
            let mut category = Map::new();
            category.insert("sessions".into(), json!(self.sessions.get(kind)));
            category.insert("auroc".into(), json!(auroc));
            for (rate, cut) in BUDGETS.iter().zip(&self.empirical) {
                category.insert(format!("recall@{rate}"), json!(cut.as_ref().and_then(|cut| cut.recall.get(kind))));
            }
            (kind.clone(), Value::Object(category))
        });
        head.insert("categories".into(), categories.collect::<Map<_, _>>().into());
        Value::Object(head)
    }

    fn calibrated_json(&self) -> Value {
        let mut head = Map::new();
        insert_cuts(&mut head, &self.calibrated);
        Value::Object(head)
    }
}

fn insert_cuts(head: &mut Map<String, Value>, cuts: &[Option<CutMetrics>; BUDGETS.len()]) {
    for (rate, cut) in BUDGETS.iter().zip(cuts) {
        let cut = cut.as_ref();
        head.insert(format!("macro_recall@{rate}"), json!(cut.and_then(|cut| cut.macro_recall)));
        head.insert(format!("fpr@{rate}"), json!(cut.and_then(|cut| cut.fpr)));
        head.insert(format!("alerts_per_hour@{rate}"), json!(cut.and_then(|cut| cut.alerts_per_hour)));
    }
}

/// A share with three decimals, or a dash where there is none.
fn three(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.3}"))
}

/// A share in percent with two decimals, or a dash.
fn percent(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{:.2} %", value * 100.0))
}

fn whole(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.0}"))
}

impl fmt::Display for Report {
    /// Tables in Markdown: the heads at the empirical quantiles of `val`, the heads at their own calibration, and the kinds of
    /// attack for all heads combined and for each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "At the empirical quantile of val:\n")?;
        self.fmt_heads(f, |head| &head.empirical)?;
        writeln!(f, "\nAt the detector's own calibration:\n")?;
        self.fmt_heads(f, |head| &head.calibrated)?;
        for refusal in &self.refusals {
            writeln!(f, "\n{refusal}")?;
        }
        for (name, head) in &self.heads {
            writeln!(f, "\nEach kind of attack, {name}, at the empirical quantile:\n")?;
            writeln!(f, "| attack | sessions | AUROC | recall at 1 % | recall at 0.1 % |\n|---|---|---|---|---|")?;
            for (kind, &auroc) in &head.auroc {
                let sessions = head.sessions.get(kind).copied().unwrap_or_default();
                let mark = if sessions < MACRO_SESSIONS { " *" } else { "" };
                let recall =
                    |cut: &Option<CutMetrics>| three(cut.as_ref().and_then(|cut| cut.recall.get(kind).copied()));
                let [one, tenth] = head.empirical.each_ref().map(recall);
                writeln!(f, "| {kind}{mark} | {sessions} | {} | {one} | {tenth} |", three(Some(auroc)))?;
            }
        }
        writeln!(f, "\n\\* fewer than {MACRO_SESSIONS} sessions, not in the macro averages")
    }
}

impl Report {
    fn fmt_heads(
        &self,
        f: &mut fmt::Formatter<'_>,
        cuts: impl Fn(&HeadReport) -> &[Option<CutMetrics>; BUDGETS.len()],
    ) -> fmt::Result {
        writeln!(f, "| head | macro AUROC | macro recall at 1 % / 0.1 % | realised FPR | false alerts an hour |")?;
        writeln!(f, "|---|---|---|---|---|")?;
        for (name, head) in &self.heads {
            let both = |show: fn(Option<f64>) -> String, value: fn(&CutMetrics) -> Option<f64>| {
                cuts(head).each_ref().map(|cut| show(cut.as_ref().and_then(value))).join(" / ")
            };
            let recall = both(three, |cut| cut.macro_recall);
            let fpr = both(percent, |cut| cut.fpr);
            let alerts = both(whole, |cut| cut.alerts_per_hour);
            writeln!(f, "| {name} | {} | {recall} | {fpr} | {alerts} |", three(head.macro_auroc))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Capture, FeatureSpec, SessionConfig, Timestamp,
        detector::testing::{Distance, cut, frames, frames_with_uploads},
    };
    use nf_tests::PcapWriter;
    use std::{io::Cursor, sync::Arc};

    fn judge(detector: &Arc<Detector>, frames: &[(Timestamp, Vec<u8>)]) -> JudgedCapture {
        let mut ordered: Vec<_> = frames.iter().collect();
        ordered.sort_by_key(|(time, _)| *time);
        let writer = ordered
            .into_iter()
            .fold(PcapWriter::new(), |writer, (time, data)| writer.packet(time.as_nanos() as u64, data));
        let capture = Capture::from_reader(Cursor::new(writer.finish())).unwrap();
        JudgedCapture::replay(detector, capture, &SessionConfig::default(), |_| {}).unwrap()
    }

    /// 400 sessions to calibrate on; 300 benign ones and 6 strange uploads to judge.
    fn report() -> Report {
        let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &cut(&frames(400, 1)));
        let detector = Detector::builder().head("distance", spec, scaler, model).calibrate(&cut(&frames(400, 2)));
        let detector = Arc::new(detector.unwrap());
        let (val, test) = (judge(&detector, &frames(400, 2)), judge(&detector, &frames_with_uploads(300, 6, 3)));
        let label = |session: &JudgedSession| match session.start.as_nanos() / 1_000_000_000 {
            ..300 => Label::Benign,
            300 => Label::AttackerOther,
            _ => Label::Attack { category: "upload", id: "1" },
        };
        Report::new(&detector, &val, &test, label, &[("all".to_owned(), test.clone())]).sessions("train", 400)
    }

    #[test]
    fn json_has_the_figures_of_each_head_under_their_names() {
        let report: Value = serde_json::from_str(&report().phase("fit", 1.5).to_json()).unwrap();
        assert_eq!(report["sessions"], json!({"train": 400, "val": 400, "test": 305 + 306}));
        assert_eq!(report["seconds"], json!({"fit": 1.5}));
        for head in ["combined", "distance"] {
            let upload = json!({"sessions": 5, "auroc": 1.0, "recall@0.01": 1.0, "recall@0.001": 1.0});
            assert_eq!(report["heads"][head]["categories"]["upload"], upload);
            assert_eq!(report["heads"][head]["categories"]["all"]["sessions"], 306);
            let (fpr, alerts) = (&report["heads"][head]["fpr@0.01"], &report["heads"][head]["alerts_per_hour@0.01"]);
            assert!(fpr.as_f64().unwrap() < 0.05 && alerts.as_f64().unwrap() < 180.0, "{fpr} {alerts}");
            let macro_auroc = report["heads"][head]["macro_auroc"].as_f64().unwrap();
            assert!(macro_auroc > 0.7 && macro_auroc < 0.8, "uploads 1, all about a half: {macro_auroc}");
            assert!(report["calibrated"][head]["macro_recall@0.01"].as_f64().unwrap() > 0.5);
            // 400 sessions cannot promise 1 in 1000, however regular their tail.
            assert_eq!(report["calibrated"][head]["macro_recall@0.001"], Value::Null);
        }
    }

    #[test]
    fn tables_name_every_head_every_kind_and_what_was_refused() {
        let text = report().to_string();
        assert_eq!(text.matches("\n| upload | 5 | 1.000 | 1.000 | 1.000 |\n").count(), 2, "{text}");
        assert_eq!(text.matches("\n| distance | ").count(), 2, "{text}");
        assert!(text.contains("combined: 400 held-out benign sessions cannot promise"), "{text}");
    }

    #[test]
    fn score_file_has_a_line_a_session_and_a_column_a_head() {
        let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &cut(&frames(300, 1)));
        let detector = Detector::builder().head("distance", spec, scaler, model).calibrate(&cut(&frames(300, 2)));
        let judged = judge(&Arc::new(detector.unwrap()), &frames(2, 3));
        let file = tempfile::NamedTempFile::new().unwrap();
        judged.write_scores(file.path()).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "first_ts,src,dst,sport,dport,proto,score,distance");
        let (score, head) = (judged.sessions()[0].score, judged.sessions()[0].heads[0]);
        assert_eq!(lines[1], format!("0.000000000,10.0.0.1,10.0.1.1,20000,80,tcp,{score},{head}"));
        assert_eq!(lines.len(), 3);
    }
}
