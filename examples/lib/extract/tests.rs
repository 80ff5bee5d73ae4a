//! `extract` as a user meets it: arguments in; files, texts and an exit code out, compared with what the library gives.

use super::run;
use arrow_array::{
    Array, RecordBatch,
    cast::AsArray,
    types::{Float32Type, Float64Type, TimestampNanosecondType, UInt64Type},
};
use arrow_schema::DataType;
use nf_core::{
    Capture, FeatureSpec, SessionConfig, Timestamp,
    session::{Moments, Sessions},
};
use nf_tests::{PcapWriter, eth};
use std::{
    fs::{self, File},
    ops::Range,
    path::{Path, PathBuf},
};

/// Exit code, standard output, standard error.
fn extract(arguments: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(lexopt::Parser::from_args(arguments), &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (code, text(out), text(err))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

/// Frames of the test capture: with these most sessions end, in every way.
const FRAMES: u64 = 4000;

/// Frames of a capture that comes with the examples.
fn frames(range: Range<u64>) -> PcapWriter {
    let mut capture = Capture::open(crate::data("benign.pcap.zst")).expect("it comes with the examples");
    let mut writer = PcapWriter::new();
    for number in 0..range.end {
        let frame = capture.next_frame().expect("whole").expect("long enough");
        if range.contains(&number) {
            writer = writer.cut_packet(frame.time.as_nanos() as u64, frame.data, frame.wire_len);
        }
    }
    writer
}

/// A directory with the capture `a.pcap`.
fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("a.pcap");
    fs::write(&path, frames(0..FRAMES).finish()).expect("written");
    (directory, path)
}

fn sessions(path: &Path, config: SessionConfig) -> Sessions {
    Capture::open(path).and_then(|capture| capture.sessions(&config)?.collect()).expect("a whole capture")
}

/// A table as text: names, and the fields of each row, empty where there is no value.
type Text = (Vec<String>, Vec<Vec<String>>);

fn read_csv(path: &Path) -> Text {
    let mut reader = csv::Reader::from_path(path).expect("CSV");
    let names = reader.headers().expect("names").iter().map(str::to_owned).collect();
    let row = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
    (names, reader.records().map(|record| row(record.expect("a record"))).collect())
}

fn read_arrow(path: &Path) -> Text {
    let reader = arrow_ipc::reader::FileReader::try_new(File::open(path).expect("a file"), None).expect("Arrow");
    from_batches(reader.map(|batch| batch.expect("a batch")).collect())
}

fn read_parquet(path: &Path) -> Text {
    let file = File::open(path).expect("a file");
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
    from_batches(builder.build().expect("a reader").map(|batch| batch.expect("a batch")).collect())
}

fn from_batches(batches: Vec<RecordBatch>) -> Text {
    let names = batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    let rows = |batch: &RecordBatch| {
        let row = |row| batch.columns().iter().map(|column| field(column, row)).collect();
        (0..batch.num_rows()).map(row).collect::<Vec<Vec<String>>>()
    };
    (names, batches.iter().flat_map(rows).collect())
}

fn field(column: &dyn Array, row: usize) -> String {
    if column.is_null(row) {
        return String::new();
    }
    match column.data_type() {
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).to_string(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Float32 => column.as_primitive::<Float32Type>().value(row).to_string(),
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        _ => Timestamp::from_nanos(column.as_primitive::<TimestampNanosecondType>().value(row)).to_string(),
    }
}

/// The table that a command writes; CSV, Arrow and Parquet must agree on it.
fn tables(directory: &Path, arguments: &[&str]) -> Text {
    let write = |name: &str| {
        let path = directory.join(name);
        let (code, out, err) = extract(&[arguments, &["--out", text(&path)]].concat());
        assert_eq!((code, out.as_str()), (0, ""), "{err}");
        path
    };
    let table = read_csv(&write("table.csv"));
    assert_eq!(read_arrow(&write("table.arrow")), table);
    assert_eq!(read_parquet(&write("table.parquet")), table);
    table
}

/// One column of a table.
fn column<'a>((names, rows): &'a Text, name: &str) -> Vec<&'a str> {
    let place = names.iter().position(|n| n == name).unwrap_or_else(|| panic!("no column {name} in {names:?}"));
    rows.iter().map(|row| row[place].as_str()).collect()
}

/// Empty for no numbers, which have no mean.
fn mean<const STEPS: u64>(moments: &Moments<STEPS>) -> String {
    if moments.count() > 0 { moments.mean().to_string() } else { String::new() }
}

#[test]
fn sessions_are_those_of_the_library_in_plain_units() {
    let (directory, path) = directory();
    let table = tables(directory.path(), &[text(&path)]);
    let expected = sessions(&path, SessionConfig::default());
    assert!(expected.len() > 100 && table.1.len() == expected.len());
    let check = |name: &str, of: &dyn Fn(&nf_core::Session) -> String| {
        let expected: Vec<String> = expected.iter().map(of).collect();
        assert_eq!(column(&table, name), expected, "{name}");
        assert!(expected.iter().any(|value| *value != expected[0]), "{name} tells nothing apart");
    };
    check("start", &|s| s.start().to_string());
    check("end", &|s| s.end().to_string());
    check("protocol", &|s| s.key().protocol.to_string());
    check("orig_addr", &|s| s.key().orig.addr.to_string());
    check("orig_port", &|s| s.key().orig.port.to_string());
    check("resp_addr", &|s| s.key().resp.addr.to_string());
    check("resp_port", &|s| s.key().resp.port.to_string());
    check("end_reason", &|s| s.end_reason().to_string());
    check("outcome", &|s| s.outcome().to_string());
    check("packets", &|s| s.stats().packets().to_string());
    check("bytes", &|s| s.stats().wire_bytes().to_string());
    check("duration", &|s| s.duration().as_secs_f64().to_string());
    check("handshake", &|s| s.stats().handshake.map_or(String::new(), |time| time.as_secs_f64().to_string()));
    check("orig_packets", &|s| s.stats().orig.packets.to_string());
    check("resp_bytes", &|s| s.stats().resp.wire_bytes.to_string());
    check("orig_syn", &|s| s.stats().orig.flags[1].to_string());
    check("resp_psh", &|s| s.stats().resp.flags[3].to_string());
    check("dns_name", &|s| s.dns().map_or(String::new(), |dns| dns.name.clone()));
    check("gap_mean", &|s| mean(&s.stats().gaps));
    check("resp_entropy_mean", &|s| mean(&s.stats().resp.entropy));
    let numbers: Vec<String> = (0..expected.len()).map(|number| number.to_string()).collect();
    assert_eq!(column(&table, "session"), numbers);
}

#[test]
fn columns_for_models_are_those_of_the_library() {
    let (directory, path) = directory();
    let expected = sessions(&path, SessionConfig::default());
    for (kind, spec) in [("flow", FeatureSpec::flow()), ("context", FeatureSpec::context())] {
        let table = tables(directory.path(), &[text(&path), "--kind", kind]);
        let rows = spec.extract(&expected).expect("sessions with context");
        assert_eq!(table.1.len(), rows.len());
        for (place, info) in rows.schema().columns().iter().enumerate() {
            let values: Vec<String> = (0..rows.len()).map(|row| rows.row(row)[place].to_string()).collect();
            assert_eq!(column(&table, &info.name), values, "{kind} {}", info.name);
        }
        let addresses: Vec<String> = expected.iter().map(|session| session.key().resp.addr.to_string()).collect();
        assert_eq!(column(&table, "resp_addr"), addresses);
        let mut names = table.0.clone();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), table.0.len(), "no name stands there twice");
    }
}

#[test]
fn packets_are_those_of_the_library_whatever_a_session_keeps() {
    let (directory, path) = directory();
    for limit in [3, 64, 65_536] {
        let config = SessionConfig::default().max_packets(limit);
        let expected = sessions(&path, config);
        let table = tables(directory.path(), &[text(&path), "--kind", "packets", "--max-packets", &limit.to_string()]);
        let packets: usize = expected.iter().map(|session| session.packets().len()).sum();
        assert_eq!(table.1.len(), packets, "{limit}");
        let mut row = table.1.iter();
        for (number, session) in expected.iter().enumerate() {
            let steps = session.packets().len();
            let rows = FeatureSpec::packets(steps as u32).extract([session]).expect("a session");
            for (step, values) in rows.row(0).chunks(rows.width()).enumerate() {
                let time = session.packets()[step].time.to_string();
                let mut fields = vec![number.to_string(), step.to_string(), time];
                fields.extend(values.iter().map(f32::to_string));
                assert_eq!(row.next(), Some(&fields));
            }
        }
    }
}

#[test]
fn captures_are_read_one_behind_the_other() {
    let (directory, whole) = directory();
    let parts = [("b.pcap", 0..1500), ("c.pcap", 1500..FRAMES)].map(|(name, range)| {
        let path = directory.path().join(name);
        fs::write(&path, frames(range).finish()).expect("written");
        path
    });
    let table = tables(directory.path(), &[text(&whole)]);
    assert_eq!(tables(directory.path(), &[text(&parts[0]), text(&parts[1])]), table);
}

#[test]
fn threads_change_nothing() {
    let (directory, path) = directory();
    for kind in ["sessions", "context", "packets"] {
        let table = tables(directory.path(), &[text(&path), "--kind", kind]);
        assert_eq!(tables(directory.path(), &[text(&path), "--kind", kind, "--threads", "3"]), table);
    }
}

#[test]
fn without_a_table_rows_are_counted_all_the_same() {
    let (_directory, path) = directory();
    for kind in ["sessions", "flow", "context", "packets"] {
        let (code, out, err) = extract(&[text(&path), "--kind", kind, "--json", "--out", "none"]);
        assert_eq!((code, err.as_str()), (0, ""));
        let summary: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        let expected = sessions(&path, SessionConfig::default());
        let packets = expected.iter().map(|session| session.packets().len()).sum();
        let rows = if kind == "packets" { packets } else { expected.len() };
        assert_eq!((&summary["packets"], &summary["error"]), (&FRAMES.into(), &serde_json::Value::Null));
        assert_eq!(summary["bytes"], expected.stats().wire_bytes);
        assert_eq!((&summary["sessions"], &summary["rows"]), (&expected.len().into(), &rows.into()));
        assert!(summary["cpu_seconds"].as_f64().is_none_or(|seconds| seconds > 0.0));
        assert!(summary["peak_rss_bytes"].as_u64().is_none_or(|bytes| bytes > 1 << 20));
    }
}

#[test]
fn what_is_skipped_is_told_by_reason() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("odd.pcap");
    let packet = eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).udp(1, 2).build();
    let odd = eth().ether_type(0x88cc).build();
    let writer = PcapWriter::new().packet(1, &packet).packet(2, &odd).packet(3, &odd).packet(4, &packet[..20]);
    fs::write(&path, writer.finish()).expect("written");
    let (code, out, err) = extract(&[text(&path)]);
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(err.starts_with("4 packets, 90 bytes, 1 sessions, 1 rows\n"), "{err}");
    assert!(err.contains("\n2 packets skipped: not_ip_or_arp 0x88cc\n1 packets skipped: short_ip_header\n"), "{err}");
    let (_, out, _) = extract(&[text(&path), "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(summary["skipped"], serde_json::json!({"not_ip_or_arp 0x88cc": 2, "short_ip_header": 1}));
}

#[test]
fn a_damaged_capture_keeps_what_came_before() {
    let (directory, whole) = directory();
    let bytes = fs::read(&whole).expect("a file");
    let (cut, table) = (directory.path().join("cut.pcap"), directory.path().join("cut.parquet"));
    fs::write(&cut, &bytes[..bytes.len() - 7]).expect("written");
    let (code, _, err) = extract(&[text(&cut), "--out", text(&table)]);
    assert_eq!(code, 1);
    let error = err.lines().last().expect("an error");
    assert!(error.starts_with(&format!("extract: {}: packet {FRAMES} at byte ", cut.display())), "{err}");
    let kept = directory.path().join("kept.pcap");
    fs::write(&kept, frames(0..FRAMES - 1).finish()).expect("written");
    assert_eq!(read_parquet(&table), tables(directory.path(), &[text(&kept)]));
    let (code, out, _) = extract(&[text(&cut), "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &summary["packets"]), (1, &(FRAMES - 1).into()));
    assert_eq!(summary["error"].as_str(), error.strip_prefix("extract: "));
}

#[test]
fn bad_captures_and_places_are_told_before_the_work() {
    let (directory, path) = directory();
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    };
    let cooked = PcapWriter::new().link_type(113).packet(1, &[0; 60]).finish();
    let (empty, noise, cooked) = (file("empty.pcap", b""), file("noise.pcap", b"no capture"), file("d.pcap", &cooked));
    let missing = directory.path().join("missing.pcap");
    let out = directory.path().join("out.csv");
    let bad = [&empty, &path, &noise, &missing, &cooked, &directory.path().to_owned()];
    let arguments: Vec<&str> = bad.iter().map(|path| text(path)).chain(["--out", text(&out)]).collect();
    let (code, printed, err) = extract(&arguments);
    assert_eq!((code, printed.as_str()), (1, ""));
    let lines: Vec<String> = err.lines().map(|line| line.replace(text(directory.path()), "DIR")).collect();
    assert_eq!(
        lines,
        [
            "extract: DIR/empty.pcap: empty, no capture header at byte 0",
            "extract: DIR/noise.pcap: no capture: 6e6f2063 at byte 0 begins neither pcap nor pcapng",
            "extract: DIR/missing.pcap: No such file or directory (os error 2)",
            "extract: DIR/d.pcap has link type 113, it must have 1 as DIR/a.pcap has: extract it on its own",
            "extract: DIR is a directory, it must be a capture file",
        ]
    );
    assert!(!out.exists(), "nothing was begun");

    let place = directory.path().join("place.csv");
    fs::create_dir(&place).expect("a directory");
    let (code, _, err) = extract(&[text(&path), "--out", text(&place)]);
    assert_eq!((code, err), (1, format!("extract: {} is a directory, --out must name a file\n", place.display())));
    let nowhere = directory.path().join("no/where.arrow");
    let (code, _, err) = extract(&[text(&path), "--out", text(&nowhere)]);
    assert_eq!((code, err.contains("no/where.arrow: No such file or directory")), (1, true), "{err}");
}

#[test]
fn wrong_arguments_are_told_with_the_usage() {
    let (code, out, err) = extract(&["a.pcap", "--kind", "rows"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with("extract: --kind is \"rows\", it must be sessions, packets, flow or context\n\nusage: "));
    let (code, out, err) = extract(&["--help"]);
    assert_eq!((code, out.starts_with("usage: extract"), err.as_str()), (0, true, ""));
}
