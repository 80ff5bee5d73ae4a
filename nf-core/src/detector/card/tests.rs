use super::*;
use crate::{
    FeatureSpec, Timestamp,
    detector::testing::{Distance, cut, frame, frames},
    session::SessionTable,
};
use std::sync::LazyLock;

static DETECTOR: LazyLock<Detector> = LazyLock::new(|| {
    let benign = cut(&frames(2400, 1));
    Detector::recipe().heads(&["forest"]).unwrap().seed(5).false_positive_rate(0.02).fit(&benign).unwrap()
});

fn source(name: &str) -> Source {
    let mut table = SessionTable::new(SessionConfig::default()).unwrap();
    frames(10, 1).iter().for_each(|f| table.push(&frame(f)));
    table.push(&frame(&(Timestamp::from_parts(11, 0), vec![0; 20])));
    table.finish();
    Source::new(name, table.stats())
}

#[test]
fn says_what_it_was_made_from_and_promises() {
    let detector = DETECTOR.clone().with_source(source("monday.pcap"));
    let card = detector.card();
    let report = detector.report();
    assert_eq!(
        (card.seed, card.training, card.promise.realised),
        (Some(5), detector.provenance().training, report.realised)
    );
    assert_eq!(
        (card.heads[0].name.as_str(), card.heads[0].columns),
        ("forest", detector.schemas().next().unwrap().width())
    );
    assert_eq!(card.sources[0].frames, 71);
    assert_eq!(card.sources[0].skipped.values().sum::<u64>(), 1, "{:?}", card.sources);
    let text = card.to_string();
    for part in [
        "What it promises\n  budget: at most 2.000 % of benign sessions are called anomalies, ",
        "\n\nWhat it was made from\n  made by: nf-core ",
        "\n  seed: 5\n  fitted on: 1680 sessions, begun 1970-01-01 00:00:00 to ",
        "\n  capture monday.pcap: 71 frames, ",
        "\n  drift told by: ",
        "\n\nWhat it reads\n  forest: isolation_forest over ",
        "\n\nWhat it is known not to see\n  * Another network: ",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    assert!(!text.contains("Recalibrated") && !text.ends_with('\n'));
}

#[test]
fn limits_are_those_of_the_heads_there_are() {
    let of = |spec: FeatureSpec| {
        let benign = cut(&frames(600, 1));
        let (spec, scaler, model) = Distance::head(spec, &benign[..200]);
        let builder = Detector::builder().head("near", spec, scaler, model).evidence(None);
        builder.false_positive_rate(0.05).calibrate(&benign[200..]).unwrap().card().limits.join("\n")
    };
    let packets = of(FeatureSpec::packets(8));
    assert!(packets.contains("Scans, floods") && !packets.contains("Single packets") && !packets.contains("beacon:"));
    let rhythm = of(FeatureSpec::context().select(["service_gap_variation"]).unwrap());
    assert!(rhythm.contains("first sessions of a beacon") && rhythm.contains("Tunnels in DNS"), "{rhythm}");
    assert!(rhythm.contains("Single packets") && !rhythm.contains("Scans, floods"));
    assert!(rhythm.contains("each is judged by itself") && !rhythm.contains("become stale"));
    assert!(DETECTOR.card().limits.iter().any(|limit| limit.contains("within 60 s: it counts 0.5 of")));
}

#[test]
fn comes_back_from_json_and_from_the_model_file_alone() {
    let recent = cut(&frames(1200, 4));
    let detector = DETECTOR.clone().with_source(source("a")).recalibration().reason("a new week").run(&recent).unwrap();
    let card = detector.card();
    assert_eq!(serde_json::from_str::<Card>(&card.to_json().unwrap()).unwrap(), card);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("office.nf");
    detector.save(&path).unwrap();
    assert_eq!(Card::read(&path).unwrap(), card);
    assert_eq!(Detector::load(&path).unwrap().card(), card);
    assert!(card.to_string().contains("\n\nRecalibrated\n  on: 1200 sessions, begun "), "{card}");
    assert!(card.to_string().contains("; reason: a new week"));
    std::fs::write(&path, b"no model").unwrap();
    let error = Card::read(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ModelFile);
    assert!(error.to_string().contains("office.nf: not a model file of this crate"), "{error}");
    assert_eq!(Card::read(folder.path().join("none.nf")).unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn the_page_holds_everything_and_no_mark_up_of_others() {
    let card = DETECTOR.clone().with_source(source("<script>alert(1)</script>\n&")).card();
    let page = card.to_html("office & \"home\"");
    assert!(page.contains("<title>office &amp; &quot;home&quot;</title>") && !page.contains("<script"));
    assert!(page.contains("capture &lt;script&gt;alert(1)&lt;/script&gt; &amp;"));
    for (limit, head) in card.limits.iter().zip(card.heads.iter().cycle()) {
        assert!(page.contains(&limit.replace('\'', "&#39;")) && page.contains(&head.fingerprint), "{limit}");
    }
    for needed in ["prefers-color-scheme: dark", "@media print", "</html>\n"] {
        assert!(page.contains(needed), "{needed}");
    }
    assert!(!page.contains("http"), "nothing from elsewhere");
    assert_eq!(card.to_string().lines().filter(|line| line.contains("capture <script>")).count(), 1);
}

#[test]
fn sources_are_bounded() {
    let mut detector = DETECTOR.clone();
    for i in 0..MOST_SOURCES + 5 {
        detector = detector.with_source(source(&i.to_string()));
    }
    assert_eq!(detector.provenance().sources.len(), MOST_SOURCES);
}
