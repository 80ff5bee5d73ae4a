//! An evaluation as one HTML page: tables and plots, without script, network or fonts from elsewhere, in light and dark.

mod charts;
mod tables;

use super::{
    BUDGETS,
    evaluation::Evaluation,
    judged::JudgedCapture,
    report::{CutKind, HeadReport},
    truth::Truth,
};
use crate::page::{self, section};

impl Evaluation {
    /// Everything as one HTML page with plots. `parts` are what the [report](Self::report) was made from; the first is drawn
    /// over time. The page holds all it needs, and follows the reader's choice of light or dark.
    pub fn to_html(&self, title: &str, parts: &[(&JudgedCapture, &Truth)]) -> String {
        let combined = self.report.combined();
        let mut page = page::begin(title);
        page.push_str(&tables::summary(combined));
        section(&mut page, "Recall against the false-positive rate", &charts::recall_curves(&self.curve_rows()));
        section(&mut page, "The detector and its heads", &tables::heads(self.report.heads()));
        if let Some(comparison) = &self.comparison {
            section(&mut page, "Beside the baselines", &tables::heads(comparison.rows()));
        }
        if let Some(repeats) = &self.repeats {
            section(&mut page, "Over several seeds", &tables::repeats(repeats));
        }
        section(&mut page, "Each kind of attack", &(tables::kinds(combined) + &charts::kind_curves(combined)));
        if let Some((judged, truth)) = parts.first() {
            let kind = if combined.calibrated[0].is_some() { CutKind::Calibrated } else { CutKind::Empirical };
            let outcomes = combined.cuts(kind)[0].as_ref().map_or(&[][..], |cut| &cut.episodes);
            section(&mut page, "Over time", &charts::over_time(judged, truth, outcomes));
            let by_minute = BUDGETS.map(|rate| charts::rate_by_minute(judged, truth, rate)).concat();
            section(&mut page, "False alerts by minute", &format!("<div class=\"two\">{by_minute}</div>\n"));
        }
        section(&mut page, "Attack episodes", &tables::episodes(combined));
        section(&mut page, "Incidents", &tables::incidents(&self.incidents));
        if let Some(check) = &self.explanations {
            section(&mut page, "Do explanations hold", &tables::explanations(check));
        }
        if let Some(shortcuts) = &self.shortcuts {
            section(&mut page, "What single columns tell", &tables::shortcuts(shortcuts));
        }
        for contamination in &self.contamination {
            let title = format!("Fitted with {} % attacks among the training sessions", contamination.share() * 100.0);
            section(&mut page, &title, &tables::contamination(contamination));
        }
        page::end(page)
    }

    /// The rows of the comparison, or the heads and all combined; what is evaluated stands last.
    fn curve_rows(&self) -> Vec<(String, &HeadReport)> {
        if let Some(comparison) = &self.comparison {
            return comparison.rows().iter().map(|(name, head)| (name.clone(), head)).collect();
        }
        let heads = self.report.heads();
        let heads = if heads.len() > 2 { &heads[1..] } else { &[] };
        let rows = heads.iter().map(|(name, head)| (name.clone(), head));
        rows.chain([("combined".to_owned(), self.report.combined())]).collect()
    }
}

#[cfg(test)]
mod tests;
