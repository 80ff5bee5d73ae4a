//! Detectors in files: one versioned, checksummed file, written whole or not at all. `docs/file-format.md` describes it.

use super::{
    Background, Calibrated, Card, Detector, Evidence, HeldOut, Provenance, RecalibrationRecord, Span,
    drift::{Basis, watched},
    head::{Head, Scorer},
    recalibrate::Original,
};
use crate::{
    Error, ErrorKind, Result, Timestamp,
    calibration::{Calibration, Phased, StoredTail},
    evidence::EvidenceConfig,
    features::{FeatureSpec, Scaler, Schema},
    model::{self, Model},
    session::SessionConfig,
    whole_file,
};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path, sync::Arc};

/// What a model file starts with. The last byte is outside ASCII, so that a transfer as text does not go unnoticed.
const MAGIC: [u8; 8] = *b"NFMODEL\xb5";
/// The format this build writes, and the newest it reads.
const FORMAT: u32 = 1;
/// Magic, format and the length of the header.
const PREFIX: usize = 8 + 4 + 8;
/// CRC-32 of all before it.
const CHECKSUM: usize = 4;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    false_positive_rate: f64,
    session_config: SessionConfig,
    provenance: Provenance,
    heads: Vec<StoredHead>,
    combined: StoredCalibration,
    evidence: Option<StoredEvidence>,
    /// How many numbers describe what benign traffic looks like.
    background: u64,
    /// How many sessions it was calibrated on, each with its end, its score and whether it was cold.
    held_out: u64,
    /// How benign traffic varies, where it was seen for long enough.
    drift: Option<Basis>,
    /// The calibration the detector was made with, where it has another now.
    original: Option<StoredOriginal>,
    recalibrations: Vec<RecalibrationRecord>,
    /// All of this in words and figures, so that a file can be asked what it is without its models. Nothing else reads it.
    card: Card,
}

/// The header of which only the card is read.
#[derive(Debug, Deserialize)]
struct CardAlone {
    card: Card,
}

/// The card of a model file.
pub(super) fn read_card(bytes: &[u8]) -> Result<Card> {
    let (header, _) = open(bytes)?;
    let header: CardAlone = serde_json::from_slice(header)
        .map_err(|e| damaged(format!("the header of the model file has no card as format {FORMAT} has: {e}")))?;
    Ok(header.card)
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredOriginal {
    combined: StoredCalibration,
    evidence: Option<StoredEvidence>,
    held_out: u64,
    drift: Option<Basis>,
    calibration: Span,
}

/// Bytes of a held-out session: nanoseconds, score, 1 where it is cold.
const HELD_OUT: usize = 8 + 4 + 1;

#[derive(Debug, Serialize, Deserialize)]
struct StoredEvidence {
    config: EvidenceConfig,
    calibration: StoredCalibration,
    /// Of the sessions of a session table's first minute, where there are enough.
    cold: Option<StoredCalibration>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredHead {
    name: String,
    weight: f64,
    spec: FeatureSpec,
    /// Of the scaler's schema, to find and compare by eye.
    fingerprint: String,
    scaler: Scaler,
    model: String,
    model_bytes: u64,
    calibration: StoredCalibration,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredCalibration {
    scores: u64,
    tail: StoredTail,
}

impl StoredCalibration {
    fn of(calibration: &Calibration) -> Self {
        Self { scores: calibration.len() as u64, tail: calibration.stored_tail() }
    }

    fn read(&self, blobs: &mut Blobs<'_>) -> Result<Calibration> {
        let bytes = blobs.take(self.scores.checked_mul(4))?;
        let (numbers, _) = bytes.as_chunks::<4>();
        Calibration::restore(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(), self.tail)
    }
}

fn damaged(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::ModelFile, message)
}

impl Detector {
    /// Writes the detector to a file, whole or not at all: an existing file stays as it is until the new one is complete.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] that names the path.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        whole_file::write(path.as_ref(), &self.to_bytes())
    }

    /// Reads a detector of this crate's own models from a file.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] where the file cannot be read; [`ErrorKind::ModelFile`] where it is empty, cut off, corrupt, of
    /// another program, of a newer format, or holds a user's own model; [`ErrorKind::Schema`] where this build takes other
    /// columns from sessions than the detector was fitted on; [`ErrorKind::Unsupported`] where a model needs a cargo
    /// feature that is not built in. All name the path.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_with(path, |_, _, _| Ok(None))
    }

    /// As [`load`](Self::load), for detectors with models of a user's own: `model` is called with the
    /// [kind](Model::kind), the columns and the [bytes](Model::to_bytes) of each model that is not of this crate, and gives
    /// the model back, or `None` where it does not know the kind either.
    ///
    /// # Errors
    /// As [`load`](Self::load), and what `model` returns.
    pub fn load_with(
        path: impl AsRef<Path>,
        model: impl FnMut(&str, &Schema, &[u8]) -> Result<Option<Box<dyn Model>>>,
    ) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::from_bytes_with(&bytes, model).map_err(|e| e.at(path.display()))
    }

    /// The bytes of a model file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let models = self.heads.iter().map(|head| &head.scorer.model);
        self.bytes_with(&models.map(|model| (model.kind(), model.to_bytes())).collect::<Vec<_>>())
    }

    /// The bytes of a model file that holds each head's model in this form: its kind, and its bytes.
    pub(super) fn bytes_with(&self, models: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let stored = |(head, (kind, model)): (&Head, &(&str, Vec<u8>))| StoredHead {
            name: head.scorer.name.to_string(),
            weight: head.scorer.weight,
            spec: head.scorer.spec.clone(),
            fingerprint: head.scorer.scaler.schema().fingerprint().to_string(),
            scaler: head.scorer.scaler.clone(),
            model: (*kind).to_owned(),
            model_bytes: model.len() as u64,
            calibration: StoredCalibration::of(&head.calibration),
        };
        let header = Header {
            false_positive_rate: self.rate,
            session_config: self.sessions.clone(),
            provenance: self.provenance.clone(),
            heads: self.heads.iter().zip(models).map(stored).collect(),
            combined: StoredCalibration::of(&self.combined),
            evidence: self.evidence.as_deref().map(StoredEvidence::of),
            background: self.background.numbers().count() as u64,
            held_out: self.held_out.len() as u64,
            drift: self.drift.as_deref().cloned(),
            original: self.original.as_deref().map(|original| StoredOriginal {
                combined: StoredCalibration::of(&original.combined),
                evidence: original.evidence.as_deref().map(StoredEvidence::of),
                held_out: original.held_out.len() as u64,
                drift: original.drift.as_deref().cloned(),
                calibration: original.calibration,
            }),
            recalibrations: self.recalibrations.to_vec(),
            card: self.card(),
        };
        let header = serde_json::to_vec(&header).expect("the header has text keys and finite numbers");
        let mut bytes = Vec::new();
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        let scores = |calibration: &Calibration| -> Vec<u8> {
            calibration.scores().iter().flat_map(|score| score.to_le_bytes()).collect()
        };
        for (head, (_, model)) in self.heads.iter().zip(models) {
            bytes.extend(model);
            bytes.extend(scores(&head.calibration));
        }
        bytes.extend(self.background.numbers().flat_map(f32::to_le_bytes));
        let mut calibrated = |combined: &Calibration, evidence: Option<&Evidence>, held_out: &[HeldOut]| {
            bytes.extend(scores(combined));
            if let Some(evidence) = evidence {
                bytes.extend(scores(evidence.calibration.all()));
                bytes.extend(evidence.calibration.cold().map(scores).unwrap_or_default());
            }
            for held in held_out {
                bytes.extend(held.start.as_nanos().to_le_bytes());
                bytes.extend(held.score.to_le_bytes());
                bytes.push(held.cold.into());
            }
        };
        calibrated(&self.combined, self.evidence.as_deref(), &self.held_out);
        if let Some(original) = &self.original {
            calibrated(&original.combined, original.evidence.as_deref(), &original.held_out);
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the bytes of a model file, with this crate's own models only.
    ///
    /// # Errors
    /// As [`load`](Self::load), without a path.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes_with(bytes, |_, _, _| Ok(None))
    }

    /// Reads the bytes of a model file; `model` as in [`load_with`](Self::load_with).
    ///
    /// # Errors
    /// As [`load_with`](Self::load_with), without a path.
    pub fn from_bytes_with(
        bytes: &[u8],
        mut model: impl FnMut(&str, &Schema, &[u8]) -> Result<Option<Box<dyn Model>>>,
    ) -> Result<Self> {
        let (header, blobs) = open(bytes)?;
        let header: Header = serde_json::from_slice(header)
            .map_err(|e| damaged(format!("the header of the model file is not what format {FORMAT} has: {e}")))?;
        let mut blobs = Blobs { bytes: blobs };
        let mut heads = Vec::new();
        for stored in header.heads {
            let name = stored.name.clone();
            heads.push(stored.read(&mut blobs, &mut model).map_err(|e| e.at(format_args!("head {name}")))?);
        }
        if heads.is_empty() {
            return Err(damaged("the model file holds no head, at least 1 is needed"));
        }
        let numbers = blobs.take(header.background.checked_mul(4))?.as_chunks::<4>().0;
        let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let background = Background::from_numbers(&heads, &numbers).ok_or_else(|| {
            damaged("what benign traffic looks like is not of finite numbers in rows of the heads' columns")
        })?;
        let mut read = |combined: StoredCalibration, evidence: Option<StoredEvidence>, held_out: u64| {
            let combined = combined.read(&mut blobs)?;
            let evidence = evidence.map(|evidence| evidence.read(&mut blobs)).transpose();
            let evidence = evidence.map_err(|e| e.at("evidence"))?;
            let held_out = blobs.take(held_out.checked_mul(HELD_OUT as u64))?.as_chunks().0;
            let held_out = held_out.iter().map(read_held_out).collect::<Option<Vec<_>>>();
            let held_out = held_out
                .ok_or_else(|| damaged("a held-out session has no finite score, or is neither cold nor warm"))?;
            Ok::<_, Error>((combined, evidence, held_out))
        };
        let (combined, evidence, held_out) = read(header.combined, header.evidence, header.held_out)?;
        let read_original = |StoredOriginal { combined, evidence, held_out, drift, calibration }: StoredOriginal| {
            let (combined, evidence, held_out) = read(combined, evidence, held_out)?;
            let (drift, evidence) = (drift.map(Arc::new), evidence.map(Arc::new));
            let (combined, held_out) = (combined.into(), held_out.into());
            Ok::<_, Error>(Original { combined, evidence, held_out, drift, calibration })
        };
        let original = header.original.map(read_original).transpose().map_err(|e| e.at("first calibration"))?;
        if !blobs.bytes.is_empty() {
            return Err(damaged(format!("{} bytes left over behind the held-out sessions", blobs.bytes.len())));
        }
        let Header { false_positive_rate, session_config, provenance, drift, recalibrations, .. } = header;
        let calibrated = Calibrated { heads, combined, evidence, background, held_out };
        let mut detector = Self::assemble(calibrated, false_positive_rate, session_config, provenance)?;
        let same_kind = |original: &Original| original.evidence.is_some() == detector.evidence.is_some();
        if original.is_some() == recalibrations.is_empty() || !original.as_ref().is_none_or(same_kind) {
            return Err(damaged("a recalibrated detector has a first calibration like its own, any other has none"));
        }
        let columns = watched(&detector);
        let first = original.as_ref().and_then(|original| original.drift.as_deref());
        if [drift.as_ref(), first].into_iter().flatten().any(|drift| !drift.is_sane(&columns)) {
            return Err(damaged(
                "how benign traffic varies is not stated for the columns of the heads, in finite numbers",
            ));
        }
        (detector.original, detector.recalibrations) = (original.map(Arc::new), recalibrations.into());
        detector.drift = drift.map(Arc::new);
        Ok(detector)
    }
}

impl StoredEvidence {
    fn of(evidence: &Evidence) -> Self {
        Self {
            config: evidence.config.clone(),
            calibration: StoredCalibration::of(evidence.calibration.all()),
            cold: evidence.calibration.cold().map(StoredCalibration::of),
        }
    }

    fn read(self, blobs: &mut Blobs<'_>) -> Result<Evidence> {
        self.config.check()?;
        let all = self.calibration.read(blobs)?;
        let cold = self.cold.map(|cold| cold.read(blobs)).transpose()?;
        Ok(Evidence { config: self.config, calibration: Phased::restore(all, cold) })
    }
}

impl StoredHead {
    fn read(
        self,
        blobs: &mut Blobs<'_>,
        model: &mut impl FnMut(&str, &Schema, &[u8]) -> Result<Option<Box<dyn Model>>>,
    ) -> Result<Head> {
        let bytes = blobs.take(Some(self.model_bytes))?;
        let calibration = self.calibration.read(blobs)?;
        if !self.scaler.is_sane() {
            return Err(damaged("its scaler has no finite scale above 0 for each column"));
        }
        // Columns are compared before the model is read, so that a build with other columns says so and nothing else.
        let schema = self.scaler.schema();
        schema.check(&self.spec.schema())?;
        let own = model::load(&self.model, schema.clone(), bytes)?;
        let found = match own {
            Some(found) => Some(found),
            None => model(&self.model, schema, bytes)?,
        };
        let Some(found) = found else {
            let message = format!(
                "model {} is not of this crate: read the file with Detector::load_with(path, |kind, schema, bytes| ..)",
                self.model
            );
            return Err(damaged(message));
        };
        let scorer = Scorer::new(&self.name, self.spec, self.scaler, found, self.weight)?;
        Ok(Head { scorer, calibration })
    }
}

fn read_held_out(bytes: &[u8; HELD_OUT]) -> Option<HeldOut> {
    let [t0, t1, t2, t3, t4, t5, t6, t7, s0, s1, s2, s3, cold @ (0 | 1)] = *bytes else { return None };
    let score = f32::from_le_bytes([s0, s1, s2, s3]);
    let start = Timestamp::from_nanos(i64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]));
    score.is_finite().then_some(HeldOut { start, score, cold: cold == 1 })
}

/// What stands behind the header, taken piece by piece.
struct Blobs<'a> {
    bytes: &'a [u8],
}

impl<'a> Blobs<'a> {
    fn take(&mut self, length: Option<u64>) -> Result<&'a [u8]> {
        let taken = length.and_then(|length| self.bytes.split_at_checked(usize::try_from(length).ok()?));
        let Some((taken, rest)) = taken else {
            let left = self.bytes.len();
            return Err(damaged(format!("the header speaks of more bytes than the {left} that are left")));
        };
        self.bytes = rest;
        Ok(taken)
    }
}

/// The header and what stands behind it, where the file is whole.
fn open(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let length = bytes.len();
    if bytes.is_empty() {
        return Err(damaged("the file is empty, a model file was expected"));
    }
    let start = &bytes[..length.min(MAGIC.len())];
    if !MAGIC.starts_with(start) {
        let start: Vec<String> = start.iter().map(|byte| format!("{byte:02x}")).collect();
        let message = format!("not a model file of this crate: it starts with {}", start.join(" "));
        return Err(damaged(message));
    }
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() else {
        return Err(damaged(format!("the model file is cut off after {length} bytes")));
    };
    let [.., f0, f1, f2, f3, h0, h1, h2, h3, h4, h5, h6, h7] = *prefix;
    let format = u32::from_le_bytes([f0, f1, f2, f3]);
    if format > FORMAT {
        let message = format!("the model file has format {format}, this build reads up to {FORMAT}: update nf-core");
        return Err(damaged(message));
    }
    let header = u64::from_le_bytes([h0, h1, h2, h3, h4, h5, h6, h7]);
    let body = rest.split_last_chunk::<CHECKSUM>();
    let split = body.and_then(|(body, checksum)| {
        Some((body.split_at_checked(usize::try_from(header).ok()?)?, u32::from_le_bytes(*checksum)))
    });
    let Some(((header, blobs), checksum)) = split else {
        let message =
            format!("the model file claims a header of {header} bytes but has {length} in all: it is cut off");
        return Err(damaged(message));
    };
    let found = crc32fast::hash(&bytes[..length - CHECKSUM]);
    if found != checksum {
        let message = format!("the model file is corrupt or cut off: checksum {found:08x}, it says {checksum:08x}");
        return Err(damaged(message));
    }
    if format == 0 {
        return Err(damaged("the model file has format 0, which was never written"));
    }
    Ok((header, blobs))
}

#[cfg(test)]
mod tests;
