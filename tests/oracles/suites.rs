//! Suites of hostile, odd and valid files, and the lab corpus.

use super::*;
use nf_core::{decode::SkipCounts, session::Looks};
use nf_tests::data_dir;

/// What is refused is refused with the byte.
#[test]
fn suites_are_read_to_the_end_or_refused_with_the_byte() {
    let Some(data) = data_dir() else { return };
    for folder in ["pcapng_suite", "tcpdump_tests"] {
        let (mut counts, mut frames) = ([0; 2], Share::default());
        let mut skipped = SkipCounts::new();
        let expected = frame_counts(&data.join("captures").join(folder));
        let mut folders = vec![data.join("captures").join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let extension = path.extension().and_then(|extension| extension.to_str());
                if path.is_dir() {
                    folders.push(path);
                } else if matches!(extension, Some("pcap" | "pcapng")) {
                    let (stats, refusal) = whole(&path);
                    stats.skipped.iter().for_each(|(skip, count)| (0..count).for_each(|_| skipped.add(skip)));
                    counts[usize::from(refusal.is_some())] += 1;
                    if let Some(expected) = path.file_name().and_then(|name| expected.get(name.to_str()?)) {
                        frames.add(stats.frames == *expected);
                    }
                    assert!(refusal.as_ref().is_none_or(|text| text.contains("byte")), "{refusal:?}");
                }
            }
        }
        let [read, refused] = counts;
        let reasons: Vec<_> = skipped.iter().map(|(skip, count)| format!("{skip}: {count}")).collect();
        println!("{folder}: {read} captures read, {refused} refused; frames skipped: {}", reasons.join(", "));
        if frames.all > 0 {
            println!("{folder}: {frames} captures have as many frames as Wireshark counts");
        }
        assert!(read > 0 && frames.agree == frames.all);
    }
}

/// Frames by the name of the file, where Wireshark's capinfos could count them.
fn frame_counts(folder: &Path) -> BTreeMap<String, u64> {
    let path = folder.join("CAPINFOS.tsv");
    let rows = if path.exists() { table(&path) } else { Vec::new() };
    let counted = rows.into_iter().filter(|row| row["status"] == "ok");
    counted.map(|row| (row["pcap"].clone(), number(&row, "packets"))).collect()
}

fn whole(path: &Path) -> (TableStats, Option<String>) {
    let started = Instant::now();
    let mut refusal = None;
    let mut stats = TableStats::default();
    match Capture::open(path) {
        Ok(capture) => {
            let mut reader = capture.sessions(&SessionConfig::default()).expect("valid");
            for session in &mut reader {
                refusal = refusal.or(session.err().map(|error| error.to_string()));
            }
            stats = reader.stats().clone();
        }
        Err(error) => refusal = Some(error.to_string()),
    }
    assert!(started.elapsed() < TIME_LIMIT, "{} took {:?}", path.display(), started.elapsed());
    assert_eq!(stats.packets + stats.skipped.total(), stats.frames, "{}", path.display());
    (stats, refusal)
}

#[test]
fn the_lab_corpus_has_the_sessions_it_says() {
    let Some(data) = data_dir() else { return };
    for (name, expected) in [("train", 11_550), ("val", 4_023), ("test", 17_826), ("val-long", 24_449)] {
        let capture = Capture::open(data.join(format!("lab/{name}.pcap.zst"))).expect("a capture");
        let config = SessionConfig::default().context(false).looks(Looks::none()).max_packets(1);
        let mut reader = capture.sessions(&config).expect("valid");
        let (sessions, packets) = (&mut reader)
            .map(|session| session.expect("a whole capture"))
            .fold((0, 0), |(sessions, packets), session| (sessions + 1, packets + session.stats().packets()));
        println!("{name}: {sessions} sessions of {packets} packets");
        assert_eq!((sessions, packets), (expected, reader.stats().frames), "{name}");
    }
}
