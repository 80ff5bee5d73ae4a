//! The charts of the page.

use crate::{
    Timestamp,
    evaluate::{
        BUDGETS, MACRO_SESSIONS,
        episodes::EpisodeOutcome,
        judged::JudgedCapture,
        labels::Label,
        report::HeadReport,
        truth::{Episode, Truth},
    },
    page::{Axis, Chart, escape},
};
use std::fmt::Write;

/// Lowest false-positive rate of the curves.
const LEAST_RATE: f64 = 1e-4;
/// Highest `-log10 p` of the chart over time.
const MOST_SURPRISE: f64 = 6.0;
/// Lanes above the chart that episodes which overlap in time are spread over.
const LANES: usize = 6;
/// Benign sessions less strange than this are left out of the chart over time: they are nine of ten, and say nothing there.
const SHOWN_FROM: f64 = 1.0;

/// Macro recall against the false-positive rate, a line each of the rows given, the last one in front.
pub(super) fn recall_curves(rows: &[(String, &HeadReport)]) -> String {
    let mut chart = Chart::new(
        940.0,
        380.0,
        Axis::decades(LEAST_RATE, "false-positive rate, benign sessions that are judged"),
        Axis::linear(0.0, 1.0, 5, "macro recall"),
    );
    BUDGETS.iter().for_each(|&rate| chart.upright(rate, "budget", "a budget"));
    let mut legend = String::from("<p class=\"legend\">");
    for (place, (name, head)) in rows.iter().enumerate() {
        let class = if place + 1 == rows.len() { "ours".to_owned() } else { format!("s{}", place % 7) };
        let curve = &head.curve;
        chart.line(curve.fpr.iter().copied().zip(curve.macro_recall.iter().copied()), &format!("line {class}"), name);
        let _ = write!(legend, "<span><i class=\"{class}\"></i>{}</span>", escape(name));
    }
    legend.push_str("</p>\n");
    chart.finish("macro recall against the false-positive rate") + &legend
}

/// Recall against the false-positive rate, a small chart for each kind of attack.
pub(super) fn kind_curves(head: &HeadReport) -> String {
    let mut charts = String::from("<div class=\"grid-of-charts\">\n");
    for (kind, recalls) in &head.curve.kinds {
        let mut chart = Chart::new(236.0, 170.0, Axis::decades(LEAST_RATE, "").sparse(), Axis::linear(0.0, 1.0, 2, ""));
        BUDGETS.iter().for_each(|&rate| chart.upright(rate, "budget", "a budget"));
        let macro_line = head.curve.fpr.iter().copied().zip(head.curve.macro_recall.iter().copied());
        chart.line(macro_line, "line faint", "all kinds");
        chart.line(head.curve.fpr.iter().copied().zip(recalls.iter().copied()), "line ours", kind);
        let sessions = head.sessions.get(kind).copied().unwrap_or_default();
        let few = if sessions < MACRO_SESSIONS { " *" } else { "" };
        let auroc = head.auroc.get(kind).map_or(String::new(), |auroc| format!(", AUROC {auroc:.3}"));
        let name = escape(kind);
        let svg = chart.finish(&format!("recall of {kind}"));
        let _ = writeln!(
            charts,
            "<figure><figcaption><b>{name}</b>{few}<br/>{sessions} sessions{auroc}</figcaption>{svg}</figure>"
        );
    }
    charts + "</div>\n"
}

/// Seconds from the first session of a capture.
fn since(start: Timestamp, time: Timestamp) -> f64 {
    time.since(start).as_secs_f64()
}

/// How strange each session was when, with the cuts and the episodes. `outcomes` are those of the capture's episodes at 1 %.
pub(super) fn over_time(judged: &JudgedCapture, truth: &Truth, outcomes: &[EpisodeOutcome]) -> String {
    let Some(start) = judged.sessions().iter().map(|session| session.start).min() else { return String::new() };
    let mut chart = Chart::new(
        1000.0,
        360.0,
        Axis::linear(0.0, judged.seconds(), 10, "start of the session, s"),
        Axis::linear(0.0, MOST_SURPRISE, 6, "-log10 p-value"),
    )
    .with_lanes(LANES);
    let (mut benign, mut attacks) = (Vec::new(), Vec::new());
    for session in judged.sessions() {
        let point = (since(start, session.start), (-session.p_value.log10()).min(MOST_SURPRISE));
        match truth.label(session) {
            Label::Benign if point.1 >= SHOWN_FROM => benign.push(point),
            Label::Attack { .. } => attacks.push(point),
            _ => {}
        }
    }
    chart.dots(attacks, "dot attack", "attack sessions");
    chart.dots(benign, "dot benign", "benign sessions");
    for rate in BUDGETS {
        chart.level(-rate.log10(), "threshold", &format!("alerts above, at {} %", rate * 100.0));
    }
    for (episode, outcome) in truth.episodes().iter().zip(outcomes) {
        let (from, to) = (since(start, episode.first()), since(start, episode.last()));
        let class = if outcome.detection.is_some() { "hit" } else { "missed" };
        chart.lane(from, to, class, &episode.category, &episode_title(episode, outcome));
    }
    let legend = "<p class=\"legend\"><span><i class=\"attack\"></i>attack session</span><span><i class=\"benign\"></i>benign \
        session, the strangest tenth</span><span><i class=\"hit\"></i>episode with an alert at 1 %</span><span><i class=\"missed\"></i>\
        episode missed</span></p>\n";
    chart.finish("strangeness of every session over time") + legend
}

fn episode_title(episode: &Episode, outcome: &EpisodeOutcome) -> String {
    let alert = outcome.detection.map_or("missed".to_owned(), |first| {
        format!("first alert after {:.1} s and {} packets", first.delay.as_secs_f64(), first.packets)
    });
    format!("{} {}: {} packets, {} sessions, {alert}", episode.id, episode.category, outcome.packets, outcome.sessions)
}

/// The share of benign sessions that alert in each minute, at a budget.
pub(super) fn rate_by_minute(judged: &JudgedCapture, truth: &Truth, rate: f64) -> String {
    let benign = || judged.sessions().iter().filter(|session| truth.label(session) == Label::Benign);
    let Some(start) = benign().map(|session| session.start).min() else { return String::new() };
    let mut minutes: Vec<(usize, usize)> = Vec::new();
    // A timestamp from the future must not make a page of minutes.
    let minute = |time| ((since(start, time) / 60.0) as usize).min(100_000);
    for session in benign() {
        let place = minute(session.start);
        if minutes.len() <= place {
            minutes.resize(place + 1, (0, 0));
        }
        minutes[place].0 += 1;
        minutes[place].1 += usize::from(session.p_value <= rate);
    }
    let shares = minutes.iter().map(|(sessions, alerts)| *alerts as f64 / (*sessions).max(1) as f64 * 100.0);
    let most = shares.clone().fold(rate * 200.0, f64::max) * 1.1;
    let mut chart = Chart::new(
        490.0,
        220.0,
        Axis::linear(0.0, minutes.len() as f64, 10, "minute"),
        Axis::linear(0.0, most, 4, "benign sessions that alert, %"),
    );
    for ((place, share), (sessions, alerts)) in shares.enumerate().zip(&minutes) {
        let title = format!("minute {place}: {alerts} of {sessions} sessions, {share:.2} %");
        chart.bar(place as f64, place as f64 + 1.0, share, "bar", &title);
    }
    chart.level(rate * 100.0, "threshold", &format!("budget {} %", rate * 100.0));
    chart.finish("false-positive rate by minute")
}
