//! From captures to verdicts: the recipe's detector learns five benign minutes and finds attacks it never saw.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[cfg(feature = "neural")]
use nf_core::evaluate::{Report, Truth};
use nf_core::{
    Capture, Detector, Session, SessionConfig, SessionTable, Timestamp,
    calibration::block_bootstrap,
    capture::Frame,
    evaluate::{JudgedCapture, Label, Labels, Recording},
};
#[cfg(feature = "neural")]
use std::ops::ControlFlow;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data").join(name)
}

#[test]
fn learns_benign_minutes_and_finds_attacks_it_never_saw() {
    let config = SessionConfig::default();
    let benign = Capture::open(data("benign.pcap.zst")).unwrap().sessions(&config).unwrap().collect().unwrap();
    assert_eq!(benign.stats().skipped.total(), 0);
    let detector = Detector::recipe().false_positive_rate(0.01).seed(7).fit(&benign).unwrap();

    // What is judged is what was saved and loaded.
    let directory = tempfile::tempdir().unwrap();
    detector.save(directory.path().join("lab.nf")).unwrap();
    let loaded = Detector::load(directory.path().join("lab.nf")).unwrap();
    assert_eq!(loaded.judge_batch(&benign[..50]).unwrap(), detector.judge_batch(&benign[..50]).unwrap());

    let labels = Labels::read(data("lab/test.labels.csv"), Some(&data("lab/test.conf.json"))).unwrap();
    let capture = Capture::open(data("attacks.pcap.zst")).unwrap();
    let loaded = Arc::new(loaded.with_threads(0));
    let judged = JudgedCapture::replay(&loaded, capture, &config, |_| {}).unwrap();
    let mut alerts: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for session in judged.sessions() {
        let kind = match labels.label(&session.key, session.start).strict(session.key.protocol) {
            Label::Benign => "benign",
            Label::Attack { category, .. } => category,
            Label::AttackerOther => continue,
        };
        alerts.entry(kind).or_default().push(session.p_value <= 0.01);
    }
    let share = |kind: &str| {
        let alerts = &alerts[kind];
        alerts.iter().filter(|&&alert| alert).count() as f64 / alerts.len() as f64
    };
    // Twice the budget, as the traffic is another recording; and the kinds that no detector of this recipe should miss.
    assert!(share("benign") < 0.02, "{} of benign sessions alert", share("benign"));
    for kind in ["portscan_syn", "portscan_connect", "syn_flood", "slowloris"] {
        assert!(share(kind) > 0.9, "{} of {kind} alert", share(kind));
    }
}

/// What docs/detection.md has of the default recipe from a clone: no change may take it away unseen.
#[cfg(feature = "neural")]
#[test]
fn the_default_recipe_keeps_its_figures() {
    let config = SessionConfig::default();
    let [train, val, test] = ["train", "val", "test"].map(|name| Recording::new(data(&format!("lab/{name}.pcap.zst"))));
    let [fitted, held_out] = [&train, &val].map(|recording| recording.sessions(&config).unwrap());
    let recipe = Detector::recipe().false_positive_rate(0.01).seed(7);
    let detector = recipe.fit_on(&fitted, &held_out, |_| ControlFlow::Continue(())).unwrap();
    let detector = Arc::new(detector.with_threads(0));
    let labels = Labels::read(data("lab/test.labels.csv"), Some(&data("lab/test.conf.json"))).unwrap();
    let truth = Truth::labelled(labels, true, &test, &config).unwrap();
    let [val, test] =
        [val, test].map(|recording| JudgedCapture::of_recording(&detector, &recording, &config, |_| {}).unwrap());
    let report = Report::new(&val, &[(&test, &truth)]);
    let combined = report.combined();
    assert!(combined.macro_auroc.unwrap() > 0.99, "{:?}", combined.macro_auroc);
    for (cut, recall, fpr) in [(0, 0.97, 0.013), (1, 0.92, 0.0025)] {
        let cut = combined.calibrated[cut].as_ref().unwrap();
        let (hit, all) = cut.episodes_hit();
        assert_eq!((hit, all), (25, 25));
        assert!(cut.figures.macro_recall.unwrap() > recall, "{:?}", cut.figures);
        assert!(cut.figures.fpr.unwrap() < fpr, "{:?}", cut.figures);
    }
}

/// The frames of a capture, and those of its clients once more, half a minute later, from other clients to the same servers.
fn twice(path: &Path) -> Vec<(Timestamp, Vec<u8>, Frame<'static>)> {
    let mut frames = Vec::new();
    let mut capture = Capture::open(path).unwrap();
    while let Some(frame) = capture.next_frame().unwrap() {
        let plain = Frame { data: &[], ..frame };
        let mut other = frame.data.to_vec();
        rename_clients(&mut other);
        // What servers say to each other is the same exchange, not another.
        if other != frame.data {
            frames.push((frame.time + Duration::from_secs(30), other, plain));
        }
        frames.push((frame.time, frame.data.to_vec(), plain));
    }
    frames.sort_by_key(|(time, ..)| *time);
    frames
}

/// Moves the clients of the lab's network, .21 to .26, to another hundred, network card and address.
fn rename_clients(frame: &mut [u8]) {
    let is_client = |address: &[u8]| address.starts_with(&[10, 77, 0]) && (21..=26).contains(&address[3]);
    // Where addresses stand: of IPv4 source and destination, of ARP sender and target, whose cards stand before them.
    let (addresses, cards): ([usize; 2], &[usize]) = match frame[12..14] {
        [0x08, 0x00] => ([26, 30], &[6, 0]),
        [0x08, 0x06] => ([28, 38], &[6, 0, 22, 32]),
        _ => return,
    };
    let client = addresses.map(|at| is_client(&frame[at..at + 4]));
    for (place, card) in cards.iter().enumerate() {
        // Neither broadcasts nor the empty target of a question are cards.
        if client[place % 2] && frame[*card] & 1 == 0 && frame[*card..card + 6] != [0; 6] {
            frame[card + 3] ^= 0x40;
        }
    }
    for (at, client) in addresses.into_iter().zip(client) {
        frame[at + 3] += 100 * u8::from(client);
    }
}

#[test]
fn a_network_with_twice_the_clients_keeps_the_budget() {
    let config = SessionConfig::default();
    let train = Recording::new(data("lab/train.pcap.zst")).sessions(&config).unwrap();
    let val = data("lab/val.pcap.zst");
    let detector = Detector::recipe().false_positive_rate(0.01).seed(7).fit(&train).unwrap().with_threads(0);
    let mut table = SessionTable::new(config.clone()).unwrap();
    for (time, data, plain) in &twice(&val) {
        table.push(&Frame { time: *time, data, ..*plain });
    }
    table.finish();
    let busy: Vec<Session> = std::iter::from_fn(|| table.pop()).collect();
    let calm = Recording::new(val).sessions(&config).unwrap();
    assert!(busy.len() > calm.len() * 9 / 5, "{} after {}", busy.len(), calm.len());
    let [calm, busy] = [calm, busy].map(|sessions| {
        let verdicts = detector.judge_all(&sessions).unwrap();
        let events: Vec<_> = sessions.iter().map(Session::start).zip(verdicts.iter().map(|v| v.is_anomaly())).collect();
        let alerts = events.iter().filter(|(_, alert)| *alert).count();
        (alerts as f64 / events.len() as f64, block_bootstrap(&[events]).unwrap())
    });
    println!("1 % realised: {calm:?}, with twice the clients {busy:?}");
    assert!(busy.1.low <= 0.01, "{busy:?} after {calm:?}");
    assert!(busy.0 <= 1.5 * calm.0, "{busy:?} after {calm:?}");
}
