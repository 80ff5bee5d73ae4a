use super::*;
use crate::evaluate::{
    Comparison, ContaminationReport, EpisodeIncidents, IncidentReport, Repeats, Report, Shortcuts,
    testing::{judged, session},
};
use std::time::Duration;

/// An evaluation with everything in it, and its parts.
fn page() -> String {
    let sessions = |shift: f32| judged((0..300).map(|i| session(f64::from(i), f64::from(i), shift + i as f32 / 100.0)));
    let (val, test, attack) = (sessions(0.0), sessions(0.5), sessions(2.0));
    let truth = Truth::whole("scan <b>&", &attack);
    let parts = [(&test, &Truth::benign()), (&attack, &truth)];
    let report = Report::new(&val, &parts);
    let mut evaluation = Evaluation::new(report.clone());
    evaluation.repeats = Some(Repeats::new([(7, report.clone())]));
    evaluation.comparison = Some(Comparison::new().with("packets", &report).with("ours", &report));
    evaluation.shortcuts = Some(Shortcuts::probe(&[], &[]).unwrap());
    evaluation.contamination = vec![ContaminationReport::new(0.05, &Default::default()).with(&report, &report)];
    let episode = EpisodeIncidents {
        id: "1".into(),
        category: "scan".into(),
        alerts: 12,
        incidents: vec![3, 8],
        opened: false,
        delay: Some(Duration::from_secs(4)),
        told: None,
    };
    evaluation.incidents = vec![IncidentReport {
        rate: 0.01,
        smallest: false,
        seed: Some(7),
        seconds: 3600.0,
        benign_alerts: 5,
        benign: vec!["incident <1>".into()],
        attacks: 17,
        mixed: 2,
        others: 6,
        news: 31,
        episodes: vec![episode],
        costs: None,
    }];
    evaluation.to_html("lab & co", &[(&attack, &truth), (&test, &Truth::benign())])
}

#[test]
fn holds_every_part_and_nothing_from_elsewhere() {
    let page = page();
    for title in [
        "<h1>lab &amp; co</h1>",
        "Recall against the false-positive rate",
        "The detector and its heads",
        "Beside the baselines",
        "Over several seeds",
        "Each kind of attack",
        "Over time",
        "Attack episodes",
        "One line for one happening",
        "On benign traffic alone",
        "What single columns tell",
        "Fitted with 5 % attacks",
        "prefers-color-scheme: dark",
    ] {
        assert!(page.contains(title), "{title}");
    }
    assert!(!page.contains("http") && !page.contains("<script") && !page.contains("url("), "nothing is fetched");
    assert!(!page.contains("scan <b>") && page.contains("scan &lt;b&gt;&amp;"));
}

#[test]
fn every_element_is_closed() {
    crate::page::testing::assert_closed(&page());
}

#[test]
fn figures_of_the_page_are_those_of_the_report() {
    let page = page();
    // The test scores lie half a decade of p above those of val: 3.0 to 3.49 of them are above val's 1 % cut of 2.96.
    assert!(page.contains("<td>300</td>") && page.contains("1 of 1"), "sessions and episodes");
    assert_eq!(page.matches("class=\"line ours\"").count(), 2, "ours among the curves, and the one kind");
    let incidents = "<td>17 / 2</td><td>6</td><td>0</td>";
    assert!(page.contains(incidents) && page.contains("<td>3, 8</td>") && page.contains("incident &lt;1&gt;"));
    assert!(page.contains("class=\"dot attack\"") && page.contains("class=\"hit\""));
}
