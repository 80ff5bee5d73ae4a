//! All that one evaluation has to say.

use super::{
    comparison::Comparison,
    contaminate::ContaminationReport,
    costs,
    explanations::ExplanationCheck,
    incidents::{COLUMNS, IncidentReport},
    report::Report,
    shortcuts::Shortcuts,
    spread::Repeats,
};
use serde_json::json;
use std::fmt;

/// What the table of costs has.
pub(super) const COSTS: &str = "Processor time beside that of judging each session by itself, median and quartiles";

/// All that one evaluation has to say: the report, and what else was asked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Evaluation {
    /// The figures, of the first seed.
    pub report: Report,
    /// The figures over several seeds.
    pub repeats: Option<Repeats>,
    /// The detector beside baselines.
    pub comparison: Option<Comparison>,
    /// What single columns tell.
    pub shortcuts: Option<Shortcuts>,
    /// Whether explanations of alerts hold.
    pub explanations: Option<ExplanationCheck>,
    /// What attacks among the training sessions cost.
    pub contamination: Vec<ContaminationReport>,
    /// What alerts come to as incidents: for each seed each budget that its detector promises.
    pub incidents: Vec<IncidentReport>,
}

impl Evaluation {
    /// An evaluation that has a report and nothing else.
    pub fn new(report: Report) -> Self {
        Self {
            report,
            repeats: None,
            comparison: None,
            shortcuts: None,
            explanations: None,
            contamination: Vec::new(),
            incidents: Vec::new(),
        }
    }

    /// Everything as JSON: what [`Report::to_json`] has, and beside it `repeats`, `baselines`, `shortcuts`,
    /// `explanations`, `contamination` and `incidents` where they were asked for.
    pub fn to_json(&self) -> String {
        let mut value = self.report.to_value();
        if let Some(repeats) = &self.repeats {
            value["repeats"] = repeats.to_value();
        }
        if let Some(comparison) = &self.comparison {
            value["baselines"] = comparison.to_value();
        }
        if let Some(shortcuts) = &self.shortcuts {
            value["shortcuts"] = shortcuts.to_value();
        }
        if let Some(explanations) = &self.explanations {
            value["explanations"] = explanations.to_value();
        }
        if !self.contamination.is_empty() {
            value["contamination"] = json!(self.contamination.iter().map(|c| c.to_value()).collect::<Vec<_>>());
        }
        if !self.incidents.is_empty() {
            value["incidents"] = json!(self.incidents.iter().map(IncidentReport::to_value).collect::<Vec<_>>());
        }
        format!("{value:#}\n")
    }
}

impl fmt::Display for Evaluation {
    /// Everything as tables in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.report)?;
        let parts: [Option<&dyn fmt::Display>; 4] = [
            self.repeats.as_ref().map(|part| part as _),
            self.comparison.as_ref().map(|part| part as _),
            self.shortcuts.as_ref().map(|part| part as _),
            self.explanations.as_ref().map(|part| part as _),
        ];
        for part in parts.into_iter().flatten().chain(self.contamination.iter().map(|part| part as _)) {
            write!(f, "\n{part}")?;
        }
        if self.incidents.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nIncidents:\n\n| {} |\n|{}", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()))?;
        for report in &self.incidents {
            writeln!(f, "| {} |", report.row().join(" | "))?;
        }
        if self.incidents.iter().any(|report| report.costs.is_some()) {
            writeln!(f, "\n{COSTS}:\n\n| seed | budget | {} |\n|{}", costs::COLUMNS.join(" | "), "---|".repeat(7))?;
        }
        for (report, costs) in self.incidents.iter().filter_map(|report| Some((report, report.costs?))) {
            writeln!(f, "| {} | {} |", report.row()[..2].join(" | "), costs.cells().join(" | "))?;
        }
        let first = self.incidents[0].seed;
        let of_first = self.incidents.iter().filter(|report| report.seed == first);
        of_first.into_iter().try_for_each(|report| write!(f, "\n{report}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{
        Truth,
        testing::{judged, session},
    };
    use serde_json::Value;

    #[test]
    fn parts_that_were_asked_for_stand_beside_the_report() {
        let sessions = judged((0..200).map(|i| session(f64::from(i), f64::from(i), i as f32)));
        let report = Report::new(&sessions, &[(&sessions, &Truth::benign())]);
        let mut evaluation = Evaluation::new(report.clone());
        assert_eq!(evaluation.to_json(), report.to_json());
        assert_eq!(evaluation.to_string(), report.to_string());
        evaluation.repeats = Some(Repeats::new([(7, report.clone())]));
        evaluation.comparison = Some(Comparison::new().with("ours", &report));
        evaluation.shortcuts = Some(Shortcuts::probe(&[], &[]).unwrap());
        evaluation.contamination = vec![ContaminationReport::new(0.05, &Default::default()).with(&report, &report)];
        let value: Value = serde_json::from_str(&evaluation.to_json()).unwrap();
        assert_eq!(value["heads"]["combined"]["fpr@0.01"], value["baselines"]["ours"]["empirical"]["fpr@0.01"]);
        assert_eq!((&value["repeats"]["seeds"][0], &value["shortcuts"]), (&json!(7), &json!([])));
        assert_eq!(value["contamination"][0]["share"], 0.05);
        let text = evaluation.to_string();
        for title in ["Combined, seeds 7", "Beside the baselines", "Single columns: 0 of 0", "(5 %), mean of 1 seeds"] {
            assert!(text.contains(title), "{title} in {text}");
        }
    }
}
