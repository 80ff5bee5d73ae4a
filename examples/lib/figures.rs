//! The figures of several seeds, as cells of a table.

use nf_core::evaluate::{CutKind, Repeats, Report};

/// The columns that [`figures`] fills.
pub const FIGURES: &str = "macro AUROC | macro recall at 1 % | at 0.1 % | realised FPR at 1 % | at 0.1 % | \
    macro recall where 1 % of test alert | where 0.1 %";

/// Means over the seeds, least and most in brackets where there are several, combined, at the empirical quantile; rates in
/// percent. The last two are at one rate for all, whatever was calibrated on.
pub fn figures(reports: Vec<(u64, Report)>) -> String {
    let several = reports.len() > 1;
    let spreads = Repeats::new(reports).spreads("combined", CutKind::Empirical);
    let cell = |&(name, scale, digits): &(&str, f64, usize)| match spreads.get(name) {
        Some(s) => {
            let [mean, least, most] = [s.mean, s.least, s.most].map(|value| format!("{:.digits$}", value * scale));
            if several { format!("{mean} ({least} to {most})") } else { mean }
        }
        None => "-".to_owned(),
    };
    let shares = [("macro_auroc", 1.0, 4), ("macro_recall@0.01", 1.0, 3), ("macro_recall@0.001", 1.0, 3)];
    let rates = [("fpr@0.01", 100.0, 2), ("fpr@0.001", 100.0, 2)];
    let ranked = [("macro_recall_at_fpr@0.01", 1.0, 3), ("macro_recall_at_fpr@0.001", 1.0, 3)];
    shares.iter().chain(&rates).chain(&ranked).map(cell).collect::<Vec<_>>().join(" | ")
}
