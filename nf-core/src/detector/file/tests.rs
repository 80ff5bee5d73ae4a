use super::super::testing::{Distance, cut, frames};
use super::*;
use crate::session::Session;
use std::sync::LazyLock;

static BENIGN: LazyLock<Vec<Session>> = LazyLock::new(|| cut(&frames(900, 1)));

/// A detector with a small file: a user's own model over packet columns.
fn small() -> Detector {
    let (spec, scaler, model) = Distance::head(FeatureSpec::packets(8), &BENIGN[..300]);
    Detector::builder().head("near", spec, scaler, model).weight(0.7).calibrate(&BENIGN[300..]).unwrap()
}

fn refuse(bytes: &[u8]) -> String {
    let error = Detector::from_bytes_with(bytes, Distance::load).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ModelFile, "{error}");
    error.to_string()
}

/// The file with another header, and everything around it right.
fn with_header(bytes: &[u8], edit: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let (header, blobs) = open(bytes).unwrap();
    let mut header = serde_json::from_slice(header).unwrap();
    edit(&mut header);
    seal(&serde_json::to_vec(&header).unwrap(), blobs)
}

fn seal(header: &[u8], blobs: &[u8]) -> Vec<u8> {
    let mut sealed = [&MAGIC[..], &FORMAT.to_le_bytes(), &(header.len() as u64).to_le_bytes(), header, blobs].concat();
    sealed.extend(crc32fast::hash(&sealed).to_le_bytes());
    sealed
}

#[test]
fn a_loaded_detector_gives_the_same_bits_and_writes_the_same_bytes() {
    let forest = Detector::recipe().heads(&["forest"]).unwrap().seed(9).false_positive_rate(0.02).fit(&BENIGN).unwrap();
    for detector in [forest, small()] {
        let loaded = Detector::from_bytes_with(&detector.to_bytes(), Distance::load).unwrap();
        assert_eq!(loaded.to_bytes(), detector.to_bytes());
        assert_eq!(loaded.judge_batch(&BENIGN[..200]).unwrap(), detector.judge_batch(&BENIGN[..200]).unwrap());
        assert_eq!(loaded.provenance(), detector.provenance());
        assert_eq!(loaded.session_config(), detector.session_config());
        assert_eq!(loaded.threshold().to_bits(), detector.threshold().to_bits());
        assert_eq!(loaded.false_positive_rate().to_bits(), detector.false_positive_rate().to_bits());
    }
}

#[test]
fn truncated_at_every_byte_is_refused() {
    let bytes = small().to_bytes();
    assert_eq!(refuse(&[]), "the file is empty, a model file was expected");
    assert_eq!(refuse(&bytes[..3]), "the model file is cut off after 3 bytes");
    let header = open(&bytes).unwrap().0.len();
    assert_eq!(
        refuse(&bytes[..100]),
        format!("the model file claims a header of {header} bytes but has 100 in all: it is cut off")
    );
    assert!(refuse(&bytes[..bytes.len() - 1]).starts_with("the model file is corrupt or cut off: checksum "));
    for length in 0..bytes.len() {
        refuse(&bytes[..length]);
    }
}

#[test]
fn any_flipped_bit_is_refused() {
    let mut bytes = small().to_bytes();
    for place in 0..bytes.len() {
        for bit in 0..8 {
            bytes[place] ^= 1 << bit;
            refuse(&bytes);
            bytes[place] ^= 1 << bit;
        }
    }
}

#[test]
fn foreign_and_newer_files_are_refused() {
    assert_eq!(
        refuse(b"\x89PNG\r\n\x1a\n and more"),
        "not a model file of this crate: it starts with 89 50 4e 47 0d 0a 1a 0a"
    );
    assert_eq!(refuse(&[0xd4, 0xc3, 0xb2, 0xa1]), "not a model file of this crate: it starts with d4 c3 b2 a1");
    let mut newer = small().to_bytes();
    newer[8] = 2;
    assert_eq!(refuse(&newer), "the model file has format 2, this build reads up to 1: update nf-core");
    newer[8] = 0;
    let end = newer.len() - 4;
    let checksum = crc32fast::hash(&newer[..end]);
    newer[end..].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(refuse(&newer), "the model file has format 0, which was never written");
}

#[test]
fn a_header_that_claims_too_much_is_refused() {
    let bytes = small().to_bytes();
    let mut long = bytes.clone();
    long[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(
        refuse(&long),
        format!("the model file claims a header of {} bytes but has {} in all: it is cut off", u64::MAX, bytes.len())
    );
    for (pointer, place) in [
        ("/heads/0/model_bytes", "head near: "),
        ("/combined/scores", ""),
        ("/evidence/calibration/scores", "evidence: "),
    ] {
        let claims = with_header(&bytes, |header| *header.pointer_mut(pointer).unwrap() = u64::MAX.into());
        let message = refuse(&claims);
        assert!(message.starts_with(&format!("{place}the header speaks of more bytes than the ")), "{message}");
    }
    let fewer = with_header(&bytes, |header| *header.pointer_mut("/held_out").unwrap() = 599.into());
    assert_eq!(refuse(&fewer), "13 bytes left over behind the held-out sessions");
}

#[test]
fn headers_and_numbers_that_were_never_written_are_refused() {
    let bytes = small().to_bytes();
    let edited = |pointer: &str, value: serde_json::Value| {
        let edited = with_header(&bytes, |header| *header.pointer_mut(pointer).unwrap() = value.clone());
        Detector::from_bytes_with(&edited, Distance::load).unwrap_err().to_string()
    };
    assert!(
        refuse(&seal(b"{}", b"")).starts_with("the header of the model file is not what format 1 has: missing field")
    );
    let scale = "/heads/0/scaler/columns/0/deviation";
    assert_eq!(edited(scale, 0.into()), "head near: its scaler has no finite scale above 0 for each column");
    let message = "a calibration is not of finite scores in ascending order with a finite tail";
    assert_eq!(edited("/combined/tail/far_slope", (-1).into()), message);
    assert_eq!(
        edited("/heads/0/weight", 0.into()),
        "head near: weight of head near is 0, it must be above 0 and finite"
    );
    let (header, blobs) = open(&bytes).unwrap();
    let mut blobs = blobs.to_vec();
    let end = blobs.len();
    blobs[end - 1] = 2;
    let wrong = "a held-out session has no finite score, or is neither cold nor warm";
    assert_eq!(refuse(&seal(header, &blobs)), wrong);
    blobs[end - 1] = 0;
    blobs[end - 5..end - 1].copy_from_slice(&f32::NAN.to_le_bytes());
    assert_eq!(refuse(&seal(header, &blobs)), wrong);
    assert_eq!(edited("/evidence/config/last", 0.into()), "evidence: last is 0, it must be 1 to 64");
}

#[test]
fn columns_of_another_build_are_refused() {
    let other = with_header(&small().to_bytes(), |header| {
        *header.pointer_mut("/heads/0/scaler/schema/columns/2/name").unwrap() = "older".into();
    });
    let error = Detector::from_bytes_with(&other, Distance::load).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    let schema = FeatureSpec::packets(8).schema();
    let (now, message) = (&schema.columns()[2].name, error.to_string());
    assert!(message.starts_with("head near: the model wants schema packets ("), "{message}");
    assert!(message.contains("first difference at column 2: older ["), "{message}");
    assert!(message.contains(&format!("against {now} [")), "{message}");
}

#[test]
fn a_users_own_model_needs_its_loader() {
    let error = Detector::from_bytes(&small().to_bytes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ModelFile);
    assert_eq!(
        error.to_string(),
        "head near: model distance is not of this crate: read the file with \
         Detector::load_with(path, |kind, schema, bytes| ..)"
    );
}

#[test]
fn saving_replaces_whole_files_and_names_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("office.nf");
    fs::write(&path, b"older").unwrap();
    small().save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), small().to_bytes());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    Detector::load_with(&path, Distance::load).unwrap();
    let error = Detector::load(&path).unwrap_err();
    assert!(error.to_string().starts_with(&format!("{}: head near: model distance", path.display())), "{error}");

    let nowhere = folder.path().join("nowhere").join("office.nf");
    let error = small().save(&nowhere).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().starts_with(&nowhere.display().to_string()), "{error}");
    let error = Detector::load(&nowhere).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().starts_with(&nowhere.display().to_string()), "{error}");

    // A folder cannot be replaced by a file: what is there stays, and so does no temporary file.
    let error = small().save(folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(path.exists());
}
