use super::*;
use crate::{
    decode::DnsFacts,
    detector::testing::{cut, frame, frames, frames_with_uploads},
    incident::{
        IncidentConfig, incidents,
        testing::{alert, session},
    },
    monitor::Monitor,
    session::{SessionConfig, TableStats},
};

fn detector() -> Detector {
    let benign = cut(&frames(800, 1));
    Detector::recipe().heads(&["forest"]).unwrap().false_positive_rate(0.02).fit(&benign).unwrap()
}

/// A page of a scan by a host with a hostile name in its DNS, and of some benign traffic.
fn page() -> String {
    let mut report = Report::new("lab <b>& co");
    let mut scan: Vec<Session> = cut(&frames(40, 3));
    for (i, session) in scan.iter_mut().enumerate() {
        (session.key.orig.addr, session.key.resp.port) = ([10, 0, 0, 66].into(), i as u16);
        let name = "<script>alert(1)</script>.evil\"'&.test".to_owned();
        let facts = DnsFacts { is_response: false, id: 1, name, query_type: 16, answer_code: None, answers: 0 };
        session.dns = Some(Box::new(facts));
        session.end = session.start;
        (session.ended, session.cold) = (session.start, false);
    }
    let mut verdicts: Vec<Verdict> = scan.iter().map(|_| alert(9.0)).collect();
    verdicts.iter_mut().flat_map(|verdict| &mut verdict.heads).for_each(|head| head.name = "forest".into());
    scan.iter().zip(&verdicts).for_each(|(session, verdict)| report.add(session, verdict));
    for incident in incidents(&scan, &verdicts, &IncidentConfig::default()).unwrap() {
        report.add_incident(incident);
    }
    report.add(&session(1, 2, 80, 20.0), &alert(3.0));
    let monitor = Monitor::new(detector(), &SessionConfig::default()).unwrap();
    report.to_html(monitor.detector(), &monitor.stats()).unwrap()
}

#[test]
fn holds_every_part_and_nothing_from_elsewhere() {
    let page = page();
    for part in [
        "<h1>lab &lt;b&gt;&amp; co</h1>",
        "<h2>Over time</h2>",
        "<h2>Incidents</h2>",
        "<h2>#1 10.0.0.66 &gt; 10.0.1.1: 40 answered dns sessions under evil&quot;&#39;&amp;.test</h2>",
        "The strangest sessions of the incident",
        "Why it is strange",
        "class=\"strip\"",
        "Hosts and services of all alerts",
        "What went in, and what could not be used",
        "prefers-color-scheme: dark",
        "@media print",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("http") && !page.contains("url(") && !page.contains("src="), "nothing is fetched");
    assert!(!page.contains("<script") && !page.contains("<b>&"), "names from packets stay text");
    assert_eq!(page.matches("class=\"dot ").count(), 2);
}

#[test]
fn every_element_is_closed() {
    crate::page::testing::assert_closed(&page());
}

#[test]
fn an_empty_report_says_so() {
    let monitor = Monitor::new(detector(), &SessionConfig::default()).unwrap();
    let page = Report::new("nothing").to_html(monitor.detector(), &monitor.stats()).unwrap();
    assert!(page.contains("None: no source") && !page.contains("Over time"), "{page}");
    crate::page::testing::assert_closed(&page);
}

#[test]
fn events_of_a_monitor_are_all_it_takes() {
    let config = IncidentConfig { from: 0.25, from_suspect: 0.25, ..IncidentConfig::default() };
    let mut monitor = Monitor::new(detector(), &SessionConfig::default()).unwrap().with_incidents(config).unwrap();
    let mut report = Report::new("uploads");
    frames_with_uploads(300, 3, 5).iter().for_each(|f| monitor.push(&frame(f)));
    monitor.finish();
    while let Some(event) = monitor.pop() {
        report.note(&event);
    }
    let (page, stats) = (report.to_html(monitor.detector(), &monitor.stats()).unwrap(), monitor.stats());
    assert!(stats.incidents.opened > 0);
    assert_eq!(page.matches("<h2>#").count() as u64, stats.incidents.opened);
    assert!(page.contains("<div><b>303</b><span>sessions judged</span></div>"));
}

#[test]
fn what_memory_had_no_room_for_is_counted_on_the_page() {
    let detector = detector();
    let page = |stats: &MonitorStats| Report::new("flood").to_html(&detector, stats).unwrap();
    let mut stats = MonitorStats::from(TableStats { evicted: 70_001, looks_dropped: 70_002, ..TableStats::default() });
    (stats.incidents.refused, stats.incidents.evicted, stats.news_dropped) = (70_003, 70_004, 70_005);
    (stats.evidence_evicted, stats.forgotten_early, stats.drift_late) = (70_006, 70_007, 70_008);
    stats.table.late_advances = 70_009;
    let told = page(&stats);
    (70_001..=70_009).for_each(|count| assert!(told.contains(&count.to_string()), "{count}"));
    assert!(told.contains("incidents not opened, as too many were open"));
    let told = page(&TableStats::default().into());
    assert!(
        told.contains("sessions dropped for memory") && !told.contains("too many were open"),
        "only where there are any"
    );
}

#[test]
fn an_explained_session_stands_alone() {
    let detector = detector();
    let mut session = cut(&frames_with_uploads(30, 1, 5)).pop().unwrap();
    session.dns = Some(Box::new(DnsFacts {
        is_response: false,
        id: 1,
        name: "</div><script>".to_owned(),
        query_type: 16,
        answer_code: None,
        answers: 0,
    }));
    let explanation = detector.explain(&session).unwrap();
    let html = explained(&session, &explanation);
    crate::page::testing::assert_closed(&html);
    assert!(html.starts_with("<div class=\"nf-explained\">") && html.ends_with("</div>"));
    assert!(html.contains("<svg class=\"strip\"") && html.contains(&explanation.facts[0].name), "{html}");
    assert!(!html.contains("<script>"));
}
