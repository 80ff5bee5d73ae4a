//! A report as tables in Markdown.

use super::{BUDGETS, CutKind, CutReport, HeadReport, Report};
use crate::evaluate::{MACRO_SESSIONS, episodes::EpisodeOutcome};
use std::fmt;

/// A share with three decimals, or a dash where there is none.
pub(in crate::evaluate) fn three(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.3}"))
}

/// A share in percent with two decimals, or a dash.
pub(in crate::evaluate) fn percent(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{:.2} %", value * 100.0))
}

pub(in crate::evaluate) fn whole(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.0}"))
}

/// One cell of a table for all budgets.
pub(in crate::evaluate) fn both(
    cuts: &[Option<CutReport>; BUDGETS.len()],
    cell: impl Fn(&CutReport, f64) -> String,
) -> String {
    let cells = BUDGETS.iter().zip(cuts).map(|(&rate, cut)| cut.as_ref().map_or("-".to_owned(), |cut| cell(cut, rate)));
    cells.collect::<Vec<_>>().join(" / ")
}

/// The bounds of a rate in percent, and whether they hold the budget.
fn bounds(cut: &CutReport, rate: f64) -> String {
    let Some(interval) = cut.fpr_interval else { return "-".to_owned() };
    let verdict = if interval.contains(rate) {
        "yes"
    } else if interval.low > rate {
        "no, above"
    } else {
        "no, below"
    };
    format!("{:.2} to {:.2}: {verdict}", interval.low * 100.0, interval.high * 100.0)
}

pub(in crate::evaluate) fn hit(cut: &CutReport) -> String {
    let (hit, all) = cut.episodes_hit();
    if all == 0 { "-".to_owned() } else { format!("{hit} of {all}") }
}

impl fmt::Display for Report {
    /// Tables in Markdown: the heads at the empirical quantiles of `val`, the heads at their own calibration, the macro
    /// averages without each kind of attack, the episodes, and the kinds of attack for all heads combined and for each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "At the empirical quantile of val:\n")?;
        self.fmt_heads(f, CutKind::Empirical)?;
        writeln!(f, "\nAt the detector's own calibration:\n")?;
        self.fmt_heads(f, CutKind::Calibrated)?;
        self.fmt_looks(f)?;
        self.fmt_phases(f)?;
        for refusal in &self.refusals {
            writeln!(f, "\n{refusal}")?;
        }
        fmt_leave_one_out(f, self.combined())?;
        fmt_episodes(f, self.combined())?;
        // With one head its scores rank as the combined ones do.
        let apart = if self.heads.len() > 2 { self.heads.len() } else { 1 };
        for (name, head) in &self.heads[..apart] {
            fmt_kinds(f, name, head)?;
        }
        writeln!(f, "\n\\* fewer than {MACRO_SESSIONS} sessions, not in the macro averages: hit or missed as episodes")
    }
}

impl Report {
    /// What looks at open sessions do to the budget.
    fn fmt_looks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(looks) = self.looks.filter(|looks| *looks > 1.0) else { return Ok(()) };
        let rates = |kind| {
            let cuts = self.combined().cuts(kind);
            let [all, last] =
                [both(cuts, |cut, _| percent(cut.figures.fpr)), both(cuts, |cut, _| percent(cut.last_fpr))];
            format!("{all}, at the last look alone {last}")
        };
        let (empirical, calibrated) = (rates(CutKind::Empirical), rates(CutKind::Calibrated));
        writeln!(
            f,
            "\n{looks:.2} looks a session. Realised FPR, combined, at the empirical quantile: {empirical}; at the detector's own \
            calibration: {calibrated}."
        )
    }

    /// What first minutes do to the budget.
    fn fmt_phases(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates = |kind| {
            let cuts = self.combined().cuts(kind);
            let [cold, warm] = [both(cuts, |cut, _| percent(cut.cold_fpr)), both(cuts, |cut, _| percent(cut.warm_fpr))];
            format!("{cold} and {warm}")
        };
        let any_cold = |cut: &Option<CutReport>| cut.as_ref().is_some_and(|cut| cut.cold_fpr.is_some());
        if !self.combined().empirical.iter().any(any_cold) {
            return Ok(());
        }
        let (empirical, calibrated) = (rates(CutKind::Empirical), rates(CutKind::Calibrated));
        writeln!(
            f,
            "\nRealised FPR, combined, of first minutes and of what follows them, at the empirical quantile: {empirical}; at the \
            detector's own calibration: {calibrated}."
        )
    }

    fn fmt_heads(&self, f: &mut fmt::Formatter<'_>, kind: CutKind) -> fmt::Result {
        writeln!(
            f,
            "| head | macro AUROC | macro recall at 1 % / 0.1 % | realised FPR | 95 %, holds the budget | false alerts an hour \
            | episodes hit |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for (name, head) in &self.heads {
            let cuts = head.cuts(kind);
            let recall = both(cuts, |cut, _| three(cut.figures.macro_recall));
            let fpr = both(cuts, |cut, _| percent(cut.figures.fpr));
            let alerts = both(cuts, |cut, _| whole(cut.figures.alerts_per_hour));
            let (bounds, hits) = (both(cuts, bounds), both(cuts, |cut, _| hit(cut)));
            let auroc = three(head.macro_auroc);
            writeln!(f, "| {name} | {auroc} | {recall} | {fpr} | {bounds} | {alerts} | {hits} |")?;
        }
        Ok(())
    }
}

fn fmt_leave_one_out(f: &mut fmt::Formatter<'_>, head: &HeadReport) -> fmt::Result {
    let averages = head.leave_one_out();
    if averages.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nCombined, macro averages without one kind of attack, at the empirical quantile:\n")?;
    writeln!(f, "| figure | all kinds | least, without | most, without |\n|---|---|---|---|")?;
    for (figure, average) in &averages {
        let show = |end: Option<(&str, f64)>| end.map_or("-".to_owned(), |(kind, value)| format!("{value:.3}, {kind}"));
        writeln!(f, "| {figure} | {:.3} | {} | {} |", average.all, show(average.lowest()), show(average.highest()))?;
    }
    Ok(())
}

/// At the detector's own calibration where it promises both budgets, else at the empirical quantile.
fn fmt_episodes(f: &mut fmt::Formatter<'_>, head: &HeadReport) -> fmt::Result {
    let promised = head.calibrated.iter().all(Option::is_some);
    let (kind, name) = match promised {
        true => (CutKind::Calibrated, "detector's own calibration"),
        false => (CutKind::Empirical, "empirical quantile"),
    };
    let [Some(often), Some(rarely)] = head.cuts(kind) else { return Ok(()) };
    if often.episodes.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nAttack episodes, combined, at the {name}; what had passed of each at its first alert:\n")?;
    writeln!(f, "| episode | attack | length | packets | sessions | first alert at 1 % | first alert at 0.1 % |")?;
    writeln!(f, "|---|---|---|---|---|---|---|")?;
    for (outcome, strict) in often.episodes.iter().zip(&rarely.episodes) {
        let EpisodeOutcome { id, category, packets, sessions, .. } = outcome;
        let (length, first, second) = (outcome.length.as_secs_f64(), first_alert(outcome), first_alert(strict));
        writeln!(f, "| {id} | {category} | {length:.1} s | {packets} | {sessions} | {first} | {second} |")?;
    }
    let delay =
        |cut: &CutReport| cut.median_delay().map_or("-".to_owned(), |delay| format!("{:.1} s", delay.as_secs_f64()));
    writeln!(f, "\nMedian delay of those hit: {} / {}", delay(often), delay(rarely))
}

fn first_alert(outcome: &EpisodeOutcome) -> String {
    outcome.detection.map_or("missed".to_owned(), |first| {
        format!("{:.1} s, {} packets, {} sessions", first.delay.as_secs_f64(), first.packets, first.sessions)
    })
}

fn fmt_kinds(f: &mut fmt::Formatter<'_>, name: &str, head: &HeadReport) -> fmt::Result {
    writeln!(f, "\nEach kind of attack, {name}, at the empirical quantile:\n")?;
    writeln!(f, "| attack | sessions | AUROC | recall at 1 % | recall at 0.1 % |\n|---|---|---|---|---|")?;
    for (kind, &auroc) in &head.auroc {
        let sessions = head.sessions.get(kind).copied().unwrap_or_default();
        let mark = if sessions < MACRO_SESSIONS { " *" } else { "" };
        let recall = |cut: &Option<CutReport>| {
            let cut = cut.as_ref();
            let bounds = cut.and_then(|cut| cut.recall_intervals.get(kind));
            let bounds = bounds.map_or(String::new(), |bounds| format!(" ({:.2} to {:.2})", bounds.low, bounds.high));
            three(cut.and_then(|cut| cut.figures.recall.get(kind).copied())) + &bounds
        };
        let [one, tenth] = head.empirical.each_ref().map(recall);
        writeln!(f, "| {kind}{mark} | {sessions} | {} | {one} | {tenth} |", three(Some(auroc)))?;
    }
    Ok(())
}
