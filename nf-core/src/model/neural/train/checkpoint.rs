//! The state of a training, in memory and in a file.

use super::{AdamW, Checkpoint, Network, TrainingParams};
use crate::{
    Error, ErrorKind, Result,
    features::Rows,
    model::{
        Progress,
        bytes::{Reader, Writer},
        neural::weights::Weights,
        random::Random,
    },
    whole_file,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{fs, io, path::Path};

/// All that a training goes on from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) weights: Weights,
    pub(super) optimiser: AdamW,
    pub(super) place: Place,
    /// Those of the epoch with the least held-out loss.
    pub(super) best: Option<Weights>,
}

/// How far a training has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The epoch under way, from 1; one more than there are when training is over.
    pub(super) epoch: u32,
    /// Updates made in it.
    pub(super) updates: usize,
    /// The squared errors in it, and over how many values.
    pub(super) error: f64,
    pub(super) count: usize,
    /// The least held-out loss, and its epoch.
    pub(super) best: Option<(f64, u32)>,
    pub(super) progress: Progress,
}

impl State {
    pub(super) fn new<N: Network>(network: &N, params: &TrainingParams) -> Self {
        let weights = Weights::random(network.slots(), &Random::new(params.seed).stream(0));
        let optimiser = AdamW::new(&weights);
        let progress = Progress { epoch: 1, ..Progress::new(N::KIND, 0.0) };
        let place = Place { epoch: 1, updates: 0, error: 0.0, count: 0, best: None, progress };
        Self { weights, optimiser, place, best: None }
    }
}

const MAGIC: [u8; 8] = *b"NFTRAIN\xb5";
const FORMAT: u32 = 1;

/// What a state belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Origin {
    kind: String,
    parameters: Value,
    /// The schema's fingerprint, the number of rows, and the checksum of their lengths and values.
    columns: String,
    rows: usize,
    checksum: u32,
}

impl Origin {
    fn new<N: Network>(network: &N, rows: &Rows) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        for row in 0..rows.len() {
            let length = rows.lengths()[row];
            hasher.update(&length.to_le_bytes());
            let bytes: Vec<u8> =
                rows.row(row)[..length as usize * rows.width()].iter().flat_map(|value| value.to_le_bytes()).collect();
            hasher.update(&bytes);
        }
        Self {
            kind: N::KIND.to_owned(),
            parameters: network.parameters(),
            columns: rows.schema().fingerprint().to_string(),
            rows: rows.len(),
            checksum: hasher.finalize(),
        }
    }

    /// Refuses a state of another origin.
    fn check(&self, here: &Self) -> Result<()> {
        let config = |name: &str, there: String, here: String| {
            let message = format!("the checkpoint was made with {name} {there}, here it is {here}; give another path");
            Err(Error::new(ErrorKind::Config, message))
        };
        if self.kind != here.kind {
            return config("model", self.kind.clone(), here.kind.clone());
        }
        if let Some((name, there, here)) = first_difference("", &self.parameters, &here.parameters) {
            return config(&name, there, here);
        }
        if (&self.columns, self.rows, self.checksum) != (&here.columns, here.rows, here.checksum) {
            let of = |origin: &Self| {
                format!("{} rows (columns {}, checksum {:08x})", origin.rows, origin.columns, origin.checksum)
            };
            let message =
                format!("the checkpoint was made from {}, here are {}; give another path", of(self), of(here));
            return Err(Error::new(ErrorKind::Data, message));
        }
        Ok(())
    }
}

/// The first parameter, by name, that differs, but for the learning rate.
fn first_difference(name: &str, there: &Value, here: &Value) -> Option<(String, String, String)> {
    match (there, here) {
        (Value::Object(a), Value::Object(b)) => a.keys().chain(b.keys()).find_map(|key| {
            let path = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
            first_difference(&path, &of(a), &of(b))
        }),
        _ if there == here || name == "training.learning_rate" => None,
        _ => Some((name.to_owned(), there.to_string(), here.to_string())),
    }
}

/// Keeps the state of one training where it is to be kept.
pub(super) struct Keeper<'a> {
    kept: Option<(&'a Checkpoint, Origin)>,
}

impl<'a> Keeper<'a> {
    pub(super) fn new<N: Network>(network: &N, params: &'a TrainingParams, rows: &Rows) -> Self {
        Self { kept: params.checkpoint.as_ref().map(|checkpoint| (checkpoint, Origin::new(network, rows))) }
    }

    /// The state to start from: that of the file, where there is one.
    pub(super) fn start<N: Network>(&self, network: &N, params: &TrainingParams) -> Result<State> {
        if let Some((checkpoint, origin)) = &self.kept
            && let Some(bytes) = read(&checkpoint.path)?
        {
            return decode(network, origin, &bytes).map_err(|error| error.at(checkpoint.path.display()));
        }
        let state = State::new(network, params);
        self.write(&state)?;
        Ok(state)
    }

    pub(super) fn write(&self, state: &State) -> Result<()> {
        match &self.kept {
            Some((checkpoint, origin)) => whole_file::write(&checkpoint.path, &encode(origin, state)),
            None => Ok(()),
        }
    }

    /// Writes after every few updates.
    pub(super) fn updated(&self, state: &State) -> Result<()> {
        match &self.kept {
            Some((checkpoint, _)) if state.place.progress.updates.is_multiple_of(checkpoint.every.into()) => {
                self.write(state)
            }
            _ => Ok(()),
        }
    }

    /// What to tell somebody whose training failed.
    pub(super) fn advice(&self) -> String {
        let kept = |(checkpoint, _): &(&Checkpoint, Origin)| {
            format!(", and goes on from the last good state, kept in {}", checkpoint.path.display())
        };
        self.kept.as_ref().map_or(String::new(), kept)
    }
}

/// Removes the file of a training that ended.
pub(in crate::model::neural) fn remove(params: &TrainingParams) -> Result<()> {
    let Some(Checkpoint { path, .. }) = &params.checkpoint else { return Ok(()) };
    fs::remove_file(path).map_err(|error| Error::io(path, error))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, error)),
    }
}

fn encode(origin: &Origin, state: &State) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.u32(FORMAT);
    let header = serde_json::to_string(&(origin, &state.place)).expect("plain numbers and text");
    writer.text(&header);
    state.weights.write(&mut writer);
    state.optimiser.write(&mut writer);
    if let Some(best) = &state.best {
        best.write(&mut writer);
    }
    let mut bytes = MAGIC.to_vec();
    bytes.extend(writer.finish());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// The state that [`encode`] wrote, where its origin is this one.
fn decode<N: Network>(network: &N, here: &Origin, bytes: &[u8]) -> Result<State> {
    let refuse = |message: &str| Error::new(ErrorKind::ModelFile, message);
    let body = bytes.strip_prefix(&MAGIC).ok_or_else(|| refuse("not the checkpoint of a training"))?;
    let (body, checksum) = body.split_last_chunk::<4>().ok_or_else(|| refuse("the checkpoint is cut off"))?;
    if crc32fast::hash(&bytes[..bytes.len() - 4]) != u32::from_le_bytes(*checksum) {
        return Err(refuse("the checkpoint is corrupt or cut off: its checksum is wrong"));
    }
    let mut reader = Reader::new("checkpoint", body);
    let format = reader.u32()?;
    if format != FORMAT {
        return Err(refuse(&format!("the checkpoint has format {format}, this build reads {FORMAT}")));
    }
    let header = serde_json::from_str::<(Origin, Place)>(reader.text()?);
    let (origin, place) = header.map_err(|error| reader.error(error))?;
    origin.check(here)?;
    let slots = network.slots();
    let weights = Weights::read(slots.clone(), &mut reader)?;
    let optimiser = AdamW::read(&weights, &mut reader)?;
    let best = place.best.map(|_| Weights::read(slots, &mut reader)).transpose()?;
    reader.finish()?;
    Ok(State { weights, optimiser, place, best })
}

#[cfg(test)]
mod tests;
