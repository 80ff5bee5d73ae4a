//! Holds the evaluation to what was written independently of it: the labels of the lab corpus, and its scoring script.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use nf_core::{
    Capture, Detector, SessionConfig, Timestamp,
    decode::Protocol,
    evaluate::{JudgedCapture, Label, LabelledScores, Labels, Recording, Report, Truth, empirical_threshold},
    session::{Endpoint, FlowKey},
};
use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

/// A row of the corpus's list of sessions.
struct Row {
    key: FlowKey,
    start: Timestamp,
    label: String,
    label_id: String,
    fields: [String; 6],
}

fn rows(path: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(flate2::read::GzDecoder::new(File::open(path).unwrap()));
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|field| field == name).unwrap();
    let places = ["first_ts", "src", "dst", "sport", "dport", "proto"].map(place);
    let (label, label_id) = (place("label"), place("label_id"));
    let row = |record: csv::StringRecord| {
        let fields = places.map(|place| record[place].to_owned());
        let protocol = match fields[5].as_str() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "icmp" => Protocol::Icmp,
            "arp" => Protocol::Arp,
            other => Protocol::Other(other.parse().unwrap()),
        };
        let end = |addr: usize, port: usize| Endpoint {
            addr: fields[addr].parse().unwrap(),
            port: fields[port].parse().unwrap(),
        };
        let (seconds, nanos) = fields[0].split_once('.').unwrap();
        assert_eq!(nanos.len(), 9);
        Row {
            key: FlowKey { orig: end(1, 3), resp: end(2, 4), protocol, icmp_type: None, vlans: [0; 2] },
            start: Timestamp::from_parts(seconds.parse().unwrap(), nanos.parse().unwrap()),
            label: record[label].to_owned(),
            label_id: record[label_id].to_owned(),
            fields,
        }
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// Whether the scoring script can run; says that `test` is skipped where not.
fn python_is_there(test: &str) -> bool {
    let python = Command::new("python3").args(["-c", "import numpy, scipy"]).output();
    let there = python.is_ok_and(|output| output.status.success());
    if !there {
        println!("{test} skipped: python3 with numpy and scipy is missing");
    }
    there
}

/// What the corpus's own script makes of score files.
fn scoring_script(lab: &Path, val: &Path, test: &Path, strict: bool) -> serde_json::Value {
    let mut command = Command::new("python3");
    command.arg(lab.join("score.py")).args([val, test, &lab.join("test.sessions.csv.gz")]);
    let output = command.args(strict.then_some("--strict")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn labels_agree_with_the_lab_corpus() {
    let Some(data) = nf_tests::data_dir() else { return };
    let lab = data.join("lab");
    let labels = Labels::read(lab.join("test.labels.csv"), Some(&lab.join("test.conf.json"))).unwrap();
    let rows = rows(&lab.join("test.sessions.csv.gz"));
    assert!(rows.len() > 10_000, "{} sessions", rows.len());
    for row in &rows {
        for key in [row.key, row.key.reversed()] {
            let (name, id) = match labels.label(&key, row.start) {
                Label::Benign => ("benign", ""),
                Label::AttackerOther => ("attacker_other", ""),
                Label::Attack { category, id } => (category, id),
            };
            assert_eq!((name, id), (row.label.as_str(), row.label_id.as_str()), "{:?}", row.fields);
        }
    }
}

#[test]
fn every_row_of_the_lab_is_an_episode_of_its_own_packets() {
    let Some(data) = nf_tests::data_dir() else { return };
    let lab = data.join("lab");
    let labels = Labels::read(lab.join("test.labels.csv"), Some(&lab.join("test.conf.json"))).unwrap();
    let recording = Recording::new(lab.join("test.pcap.zst"));
    let truth = Truth::labelled(labels, true, &recording, &SessionConfig::default()).unwrap();
    let mut packets: HashMap<String, usize> = HashMap::new();
    let mut reader =
        csv::Reader::from_reader(flate2::read::GzDecoder::new(File::open(lab.join("test.sessions.csv.gz")).unwrap()));
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|field| field == name).unwrap();
    let [id, proto, label, up, down] = ["label_id", "proto", "label", "pkts_fwd", "pkts_bwd"].map(place);
    for record in reader.records().map(Result::unwrap) {
        let arp = &record[proto] == "arp" && !record[label].starts_with("arp") && !record[label].ends_with("sweep");
        if !record[id].is_empty() && !arp {
            let count = record[up].parse::<usize>().unwrap() + record[down].parse::<usize>().unwrap();
            *packets.entry(record[id].to_owned()).or_default() += count;
        }
    }
    assert_eq!(truth.episodes().len(), packets.len());
    for episode in truth.episodes() {
        // Sessions belong to the window they start in, packets to the one they fall in: stragglers make the difference.
        let (ours, theirs) = (episode.packets.len(), packets[&episode.id]);
        assert!(ours.abs_diff(theirs) * 20 <= theirs, "{} {}: {ours} and {theirs}", episode.id, episode.category);
    }
}

#[test]
fn figures_agree_with_the_scoring_script() {
    const NAME: &str = "figures_agree_with_the_scoring_script";
    let Some(data) = nf_tests::data_dir() else { return };
    if !python_is_there(NAME) {
        return;
    }
    let lab = data.join("lab");
    let rows = rows(&lab.join("test.sessions.csv.gz"));
    let directory = tempfile::tempdir().unwrap();

    // Scores with many ties, higher for attacks, the same on every run.
    let score = |i: usize, attack: bool| (i * 2_654_435_761 % 1009) as f32 / 8.0 + if attack { 40.0 } else { 0.0 };
    let val: Vec<f32> = (0..3001).map(|i| score(i * 7, false)).collect();
    let header = "first_ts,src,dst,sport,dport,proto,score\n";
    let mut val_csv = header.to_owned();
    for score in &val {
        writeln!(val_csv, "0,a,b,0,0,tcp,{score}").unwrap();
    }
    for strict in [false, true] {
        let mut scores = LabelledScores::default();
        let mut test_csv = header.to_owned();
        for (i, row) in rows.iter().enumerate() {
            let label = match row.label.as_str() {
                "benign" => Label::Benign,
                "attacker_other" => Label::AttackerOther,
                category => Label::Attack { category, id: &row.label_id },
            };
            let score = score(i, label.category().is_some());
            match if strict { label.strict(row.key.protocol) } else { label } {
                Label::Benign => scores.benign.push(score),
                Label::Attack { category, .. } => scores.attacks.entry(category.to_owned()).or_default().push(score),
                Label::AttackerOther => {}
            }
            writeln!(test_csv, "{},{score}", row.fields.join(",")).unwrap();
        }
        let (val_path, test_path) = (directory.path().join("val.csv"), directory.path().join("test.csv"));
        std::fs::write(&val_path, &val_csv).unwrap();
        std::fs::write(&test_path, &test_csv).unwrap();
        let reference = scoring_script(&lab, &val_path, &test_path, strict);

        let near = |ours: f64, theirs: &serde_json::Value, what: &str| {
            let theirs = theirs.as_f64().unwrap_or_else(|| panic!("{what} is {theirs}"));
            assert!((ours - theirs).abs() < 1e-9, "{what}: {ours} against {theirs}, strict {strict}");
        };
        assert_eq!(reference["unmatched"], 0);
        assert_eq!(reference["n_benign"], scores.benign.len());
        near(scores.macro_auroc().unwrap(), &reference["macro_auroc"], "macro AUROC");
        let auroc = scores.auroc();
        assert_eq!(auroc.len(), reference["auroc"].as_object().unwrap().len());
        for (kind, auroc) in auroc {
            near(auroc, &reference["auroc"][&kind], &kind);
        }
        for (rate, name) in [(0.01, "0.01"), (0.001, "0.001")] {
            let cut = scores.cut(empirical_threshold(&val, rate).unwrap(), 1.0);
            near(cut.fpr.unwrap(), &reference["fpr"][name], "fpr");
            near(cut.macro_recall.unwrap(), &reference["macro_recall"][name], "macro recall");
            for (kind, recall) in &cut.recall {
                near(*recall, &reference["recall"][name][kind], kind);
            }
        }
    }
}

#[test]
fn a_replay_of_the_lab_has_its_sessions_and_the_figures_of_its_script() {
    const NAME: &str = "a_replay_of_the_lab_has_its_sessions_and_the_figures_of_its_script";
    let Some(data) = nf_tests::data_dir() else { return };
    let lab = data.join("lab");
    let config = SessionConfig::default();
    let open = |name: &str| Capture::open(lab.join(name)).unwrap();
    let sessions = |name| open(name).sessions(&config).unwrap().collect().unwrap();
    // The forest alone: what is tested here does not depend on how good the scores are.
    let recipe = Detector::recipe().heads(&["forest"]).unwrap().seed(7);
    let detector =
        recipe.fit_on(&sessions("train.pcap.zst"), &sessions("val.pcap.zst"), |_| std::ops::ControlFlow::Continue(()));
    let detector = Arc::new(detector.unwrap().with_threads(0));
    let judge = |name| JudgedCapture::replay(&detector, open(name), &config, |_| {}).unwrap();
    let (val, test) = (judge("val.pcap.zst"), judge("test.pcap.zst"));
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { directory.path().join(name) };
    val.write_scores(path("val.csv")).unwrap();
    test.write_scores(path("test.csv")).unwrap();

    let corpus = rows(&lab.join("test.sessions.csv.gz"));
    let known: HashSet<&[String; 6]> = corpus.iter().map(|row| &row.fields).collect();
    let mut ours = csv::Reader::from_path(path("test.csv")).unwrap();
    assert_eq!(
        ours.headers().unwrap(),
        ["first_ts", "src", "dst", "sport", "dport", "proto", "score", "forest"].as_slice()
    );
    let (mut all, mut unknown) = (0, Vec::new());
    for record in ours.records() {
        let key: [String; 6] = std::array::from_fn(|i| record.as_ref().unwrap()[i].to_owned());
        all += 1;
        if !known.contains(&key) {
            unknown.push(key);
        }
    }
    println!("{all} sessions here, {} in the corpus, {} keys unknown to it: {unknown:?}", corpus.len(), unknown.len());
    assert!(unknown.len() * 100 <= all && all.abs_diff(corpus.len()) * 100 <= all);

    if !python_is_there(NAME) {
        return;
    }
    let labels = Labels::read(lab.join("test.labels.csv"), Some(&lab.join("test.conf.json"))).unwrap();
    let recording = Recording::new(lab.join("test.pcap.zst"));
    for strict in [false, true] {
        let truth = Truth::labelled(labels.clone(), strict, &recording, &config).unwrap();
        let report = Report::new(&val, &[(&test, &truth)]);
        let report: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        let ours = &report["heads"]["combined"];
        let theirs = scoring_script(&lab, &path("val.csv"), &path("test.csv"), strict);
        // The script leaves out the sessions that the corpus does not know.
        let share = theirs["unmatched"].as_u64().unwrap() as f64 / all as f64;
        let near = |ours: &serde_json::Value, theirs: &serde_json::Value, what: &str| {
            let (ours, theirs) = (ours.as_f64().unwrap(), theirs.as_f64().unwrap());
            assert!((ours - theirs).abs() <= 0.002 + share, "{what}: {ours} against {theirs}, strict {strict}");
        };
        near(&ours["macro_auroc"], &theirs["macro_auroc"], "macro AUROC");
        for rate in ["0.01", "0.001"] {
            near(&ours[format!("macro_recall@{rate}")], &theirs["macro_recall"][rate], "macro recall");
            near(&ours[format!("fpr@{rate}")], &theirs["fpr"][rate], "fpr");
        }
    }
}
