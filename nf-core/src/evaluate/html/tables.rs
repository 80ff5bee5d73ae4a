//! The tables of the page.

use crate::evaluate::{
    BUDGETS, MACRO_SESSIONS,
    contaminate::ContaminationReport,
    costs,
    cut::CutReport,
    episodes::EpisodeOutcome,
    evaluation::COSTS,
    explanations::{self, ExplanationCheck},
    incidents::{self, EpisodeIncidents, IncidentReport},
    promised::{self, SMALLEST},
    report::{CutKind, HeadReport, text},
    shortcuts::Shortcuts,
    spread::{Repeats, Spread},
};
use crate::{
    calibration::Interval,
    page::{figures, table},
};

/// Columns that the table of single columns shows.
const COLUMNS_SHOWN: usize = 20;

/// The figures that count most, at the detector's own calibration where it promises the budget.
pub(super) fn summary(head: &HeadReport) -> String {
    let mut shown = Vec::new();
    let mut add = |value: String, name: String| shown.push((value, name));
    add(text::three(head.macro_auroc), "macro AUROC".to_owned());
    for ((rate, calibrated), empirical) in BUDGETS.iter().zip(&head.calibrated).zip(&head.empirical) {
        let (cut, how) = match calibrated {
            Some(cut) => (Some(cut), "promised"),
            None => (empirical.as_ref(), "not promised"),
        };
        let Some(cut) = cut else { continue };
        let budget = format!("{} %, {how}", rate * 100.0);
        add(text::three(cut.figures.macro_recall), format!("macro recall at {budget}"));
        add(text::percent(cut.figures.fpr), format!("realised FPR at {budget}"));
        add(text::hit(cut), format!("episodes hit at {budget}"));
    }
    figures(shown)
}

/// A table for each cut.
pub(super) fn heads(heads: &[(String, HeadReport)]) -> String {
    let head = [
        "",
        "macro AUROC",
        "recall at 1 % / 0.1 %",
        "realised FPR (95 %) at 1 %",
        "at 0.1 %",
        "false alerts / h",
        "episodes hit",
    ];
    let of = |kind: CutKind| {
        heads.iter().map(move |(name, report)| {
            let cuts = report.cuts(kind);
            let [often, rarely] = std::array::from_fn(|place| rate_cell(BUDGETS[place], cuts[place].as_ref()));
            vec![
                name.clone(),
                text::three(report.macro_auroc),
                text::both(cuts, |cut, _| text::three(cut.figures.macro_recall)),
                often,
                rarely,
                text::both(cuts, |cut, _| text::whole(cut.figures.alerts_per_hour)),
                text::both(cuts, |cut, _| text::hit(cut)),
            ]
        })
    };
    table("At the empirical quantile of val: how well the scores rank", &head, &[0], of(CutKind::Empirical))
        + &table("At the detector's own calibration: what a user gets", &head, &[0], of(CutKind::Calibrated))
        + "<p class=\"note\">Red: all of the 95 % interval of the realised rate lies above the budget.</p>\n"
}

/// The realised rate with its interval.
fn rate_cell(rate: f64, cut: Option<&CutReport>) -> String {
    let Some(cut) = cut else { return "-".to_owned() };
    let Some(Interval { low, high }) = cut.fpr_interval else { return "-".to_owned() };
    let mark = if low > rate { "!" } else { "" };
    format!("{mark}{} ({:.2} to {:.2})", text::percent(cut.figures.fpr), low * 100.0, high * 100.0)
}

pub(super) fn kinds(head: &HeadReport) -> String {
    if head.auroc.is_empty() {
        return String::new();
    }
    let rows = head.auroc.iter().map(|(kind, &auroc)| {
        let sessions = head.sessions.get(kind).copied().unwrap_or_default();
        let few = if sessions < MACRO_SESSIONS { " *" } else { "" };
        let mut row = vec![format!("{kind}{few}"), sessions.to_string(), text::three(Some(auroc))];
        for cut in head.empirical.iter().chain(&head.calibrated) {
            row.push(text::three(cut.as_ref().and_then(|cut| cut.figures.recall.get(kind).copied())));
        }
        row
    });
    let head = ["", "sessions", "AUROC", "empirical, 1 %", "0.1 %", "calibrated, 1 %", "0.1 %"];
    let note = format!(
        "<p class=\"note\">* fewer than {MACRO_SESSIONS} sessions: in no average, hit or missed as episodes. Below: recall \
        of each kind against the false-positive rate, the mean of all dashed, the budgets dotted.</p>\n"
    );
    table("Recall at the budgets", &head, &[0], rows) + &note
}

pub(super) fn episodes(head: &HeadReport) -> String {
    let kind = if head.calibrated.iter().all(Option::is_some) { CutKind::Calibrated } else { CutKind::Empirical };
    let [Some(often), Some(rarely)] = head.cuts(kind) else { return String::new() };
    if often.episodes.is_empty() {
        return String::new();
    }
    let cells = |outcome: &EpisodeOutcome| match outcome.detection {
        None => ["!missed".to_owned(), String::new(), String::new()],
        Some(first) => {
            [format!("{:.1} s", first.delay.as_secs_f64()), first.packets.to_string(), first.sessions.to_string()]
        }
    };
    let rows = often.episodes.iter().zip(&rarely.episodes).map(|(outcome, strict)| {
        let length = format!("{:.1} s", outcome.length.as_secs_f64());
        let mut row = vec![outcome.id.clone(), outcome.category.clone(), length];
        row.extend([outcome.packets.to_string(), outcome.sessions.to_string()]);
        row.extend(cells(outcome).into_iter().chain(cells(strict)));
        row
    });
    let head = [
        "episode",
        "attack",
        "length",
        "packets",
        "sessions",
        "alert at 1 %",
        "packets",
        "sessions",
        "alert at 0.1 %",
        "packets",
        "sessions",
    ];
    table("What had passed of each episode when its first alert was known", &head, &[0, 1], rows)
}

/// What alerts come to once they are grouped; attacks one by one for the first seed, a budget beside the other.
pub(super) fn incidents(reports: &[IncidentReport]) -> String {
    let Some(first) = reports.first() else { return String::new() };
    let mut html =
        table("One line for one happening", &incidents::COLUMNS, &[0], reports.iter().map(|report| report.row()));
    let costs = reports.iter().filter_map(|report| {
        let row = report.row().into_iter().take(2);
        Some(row.chain(report.costs?.cells()).collect::<Vec<_>>())
    });
    if reports.iter().any(|report| report.costs.is_some()) {
        html += &table(COSTS, &[&["seed", "budget"][..], &costs::COLUMNS].concat(), &[0], costs);
    }
    let of_first: Vec<&IncidentReport> = reports.iter().filter(|report| report.seed == first.seed).collect();
    let cells =
        |episode: &EpisodeIncidents| episode.cells().map(|cell| if cell == "none" { format!("!{cell}") } else { cell });
    let row = |(place, episode): (usize, &EpisodeIncidents)| {
        let mut row = vec![episode.id.clone(), episode.category.clone()];
        row.extend(of_first.iter().filter_map(|report| report.episodes.get(place)).flat_map(cells));
        row
    };
    let mut head = vec!["episode".to_owned(), "attack".to_owned()];
    for report in &of_first {
        let budget = format!("at {}", report.budget());
        let [first, rest @ ..] = incidents::EPISODE_COLUMNS.map(str::to_owned);
        head.extend([vec![format!("{first} {budget}")], rest.to_vec()].concat());
    }
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    if !first.episodes.is_empty() {
        html += &table("Each attack", &head, &[0, 1], first.episodes.iter().enumerate().map(row));
    }
    let line = |report: &IncidentReport, line: &String| vec![report.budget(), line.clone()];
    let benign: Vec<_> = of_first.iter().flat_map(|report| report.benign.iter().map(|l| line(report, l))).collect();
    if !benign.is_empty() {
        html += &table("On benign traffic alone", &["budget", "incident"], &[0, 1], benign);
    }
    html
}

/// How often explanations hold, a table a budget.
pub(super) fn explanations(check: &ExplanationCheck) -> String {
    let of = |cut: &explanations::ExplainedCut| {
        let smallest = if cut.smallest { format!("{SMALLEST},") } else { String::new() };
        let at = promised::budget(cut.rate) + &smallest;
        let caption = format!("Alerts at {at} that at most five facts, as expected, turn normal");
        table(&caption, &explanations::COLUMNS, &[0], cut.rows())
    };
    let tables: String = check.cuts.iter().map(of).collect();
    if tables.is_empty() {
        return tables;
    }
    tables
        + "<p class=\"note\">A fact is made of the columns that follow from each other; by single columns each is a fact of \
        its own.</p>\n"
}

pub(super) fn repeats(repeats: &Repeats) -> String {
    let mut html = String::new();
    for (kind, name) in
        [(CutKind::Empirical, "empirical quantile"), (CutKind::Calibrated, "detector's own calibration")]
    {
        let spreads = repeats.spreads("combined", kind);
        let rows = spreads.iter().filter(|(figure, _)| !figure.contains(' ')).map(|(figure, spread)| {
            let Spread { mean, deviation, least, most } = spread;
            let mut row = vec![figure.clone()];
            row.extend([mean, deviation, least, most].map(|value| format!("{value:.4}")));
            row
        });
        html += &table(&format!("Combined, at the {name}"), &["", "mean", "deviation", "least", "most"], &[0], rows);
    }
    html
}

pub(super) fn shortcuts(shortcuts: &Shortcuts) -> String {
    let rows = shortcuts.columns().iter().take(COLUMNS_SHOWN).map(|probe| {
        let mark = if probe.is_shortcut() { "!" } else { "" };
        vec![
            probe.column.clone(),
            probe.spec.to_owned(),
            format!("{mark}{:.3}", probe.separation),
            if probe.upwards { "above" } else { "below" }.to_owned(),
            format!("{} of {}", probe.separates, probe.auroc.len()),
            if probe.may_transfer() { "behaviour" } else { "names hosts" }.to_owned(),
        ]
    });
    let head = ["column", "of", "macro AUROC", "attacks lie", "kinds separated alone", "what it is"];
    table("The columns that separate attacks from benign sessions best, alone", &head, &[0, 1, 3, 5], rows)
}

pub(super) fn contamination(report: &ContaminationReport) -> String {
    let figures = ["macro_auroc", "macro_recall@0.01", "macro_recall@0.001", "fpr@0.01", "fpr@0.001"];
    let row = |name: String, (clean, dirty): (f64, f64)| {
        vec![name, format!("{clean:.4}"), format!("{dirty:.4}"), format!("{:+.4}", dirty - clean)]
    };
    let overall =
        figures.iter().filter_map(|figure| Some(row((*figure).to_owned(), report.figure(figure, CutKind::Empirical)?)));
    let recalls = report.recalls();
    let kinds = recalls.iter().map(|(kind, pair)| row(format!("recall@0.01 of {kind}"), *pair));
    table("At the empirical quantile, mean of the seeds", &["", "clean", "dirty", "change"], &[0], overall.chain(kinds))
}
