//! Public capture collections, read to their end or refused with a place, against counts that other programs found.

use nf_core::{
    ErrorKind,
    capture::Capture,
    decode::{Decoder, SkipCounts},
};
use nf_tests::data_dir;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What reading one capture came to.
struct Outcome {
    frames: u64,
    packets: u64,
    wire_bytes: u64,
    skips: SkipCounts,
    refusal: Option<(ErrorKind, String)>,
}

fn read(path: &Path) -> Outcome {
    let mut outcome = Outcome { frames: 0, packets: 0, wire_bytes: 0, skips: SkipCounts::new(), refusal: None };
    let mut decoder = Decoder::new();
    let mut all = || -> nf_core::Result<()> {
        let mut capture = Capture::open(path)?;
        while let Some(frame) = capture.next_frame()? {
            outcome.frames += 1;
            match decoder.decode(&frame) {
                Ok(packet) => {
                    assert!(packet.payload.len() <= packet.payload_len as usize);
                    outcome.packets += 1;
                    outcome.wire_bytes += u64::from(packet.wire_len);
                }
                Err(skip) => outcome.skips.add(skip),
            }
        }
        Ok(())
    };
    if let Err(error) = all() {
        outcome.refusal = Some((error.kind(), error.to_string()));
    }
    assert_eq!(outcome.packets + outcome.skips.total(), outcome.frames, "{}", path.display());
    outcome
}

/// All captures below a directory, in order.
fn captures(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(captures(&path));
        } else if !matches!(path.extension().and_then(|e| e.to_str()), Some("tsv" | "txt" | "md" | "log") | None) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A refusal must be one line of the right kind that names file and byte.
fn check_refusal(path: &Path, outcome: &Outcome) {
    let Some((kind, message)) = &outcome.refusal else { return };
    assert!(matches!(kind, ErrorKind::Capture | ErrorKind::Unsupported), "{message}");
    assert!(message.starts_with(&path.display().to_string()) && message.contains("byte"), "{message}");
    println!("refused: {message}");
}

/// Rows of a table with tabs: its first line names the columns.
fn table<const N: usize>(path: &Path, columns: [&str; N]) -> Vec<[String; N]> {
    let text = fs::read_to_string(path).expect("a table");
    let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let names = lines.next().expect("column names");
    let places = columns.map(|column| names.iter().position(|name| *name == column).expect("the column"));
    lines.map(|cells| places.map(|place| cells.get(place).copied().unwrap_or_default().to_owned())).collect()
}

#[test]
fn every_capture_is_read_or_refused_with_its_byte() {
    let Some(data) = data_dir() else { return };
    let (mut read_whole, mut refused) = (0, 0);
    for path in captures(&data.join("captures")) {
        let outcome = read(&path);
        check_refusal(&path, &outcome);
        *if outcome.refusal.is_some() { &mut refused } else { &mut read_whole } += 1;
    }
    println!("{read_whole} captures read, {refused} refused");
    assert!(read_whole > 1000 && refused == 0, "{read_whole} captures read, {refused} refused");
}

#[test]
fn frame_counts_are_those_that_capinfos_found() {
    let Some(data) = data_dir() else { return };
    let folders = [
        ("tcpdump_tests", "CAPINFOS.tsv", "packets"),
        ("arkime", "ORACLE.tsv", "frames"),
        ("ndpi", "ORACLE.tsv", "frames_in_file"),
    ];
    let mut checked = 0;
    for (folder, name, column) in folders {
        let dir = data.join("captures").join(folder);
        for [pcap, frames] in table(&dir.join(name), ["pcap", column]) {
            // Where capinfos itself refused (a wire length above 256 KiB, an unknown link type), it gave no count.
            let Ok(frames) = frames.parse::<u64>() else { continue };
            let path = dir.join(pcap);
            let outcome = read(&path);
            assert_eq!((outcome.frames, outcome.refusal), (frames, None), "{}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 1000, "{checked} captures checked");
}

#[test]
fn the_lab_capture_decodes_without_a_gap() {
    let Some(data) = data_dir() else { return };
    let outcome = read(&data.join("lab/val.pcap.zst"));
    assert_eq!(outcome.refusal, None);
    assert!(outcome.skips.is_empty(), "{:?}", outcome.skips);
    // The sums of the columns `pkts_fwd`, `pkts_bwd` and `bytes` of val.sessions.csv.gz.
    assert_eq!((outcome.packets, outcome.wire_bytes), (157_974, 113_291_644));
}

#[test]
fn the_pcapng_suite_has_the_frames_it_says() {
    let Some(data) = data_dir() else { return };
    let mut checked = 0;
    for path in captures(&data.join("captures/pcapng_suite")) {
        if path.extension().is_none_or(|extension| extension != "pcapng") {
            continue;
        }
        let text = fs::read_to_string(path.with_extension("txt")).expect("the suite describes each file");
        let sequence = text.lines().find_map(|line| line.strip_prefix("Block sequence: ")).expect("a block sequence");
        let frames = sequence.split(", ").filter(|block| matches!(*block, "EPB" | "SPB" | "PB")).count();
        let outcome = read(&path);
        assert_eq!(outcome.refusal, None);
        assert_eq!(outcome.frames, frames as u64, "{}: {sequence}", path.display());
        checked += 1;
    }
    assert_eq!(checked, 48);
}
