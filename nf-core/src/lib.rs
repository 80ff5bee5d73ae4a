//! An engine that learns what is normal on a network from its own benign traffic, and says which sessions do not fit,
//! which packets and columns make them strange, and holds itself to a budget of false alarms while doing so.
//!
//! ```no_run
//! use nf_core::{Capture, Detector, SessionConfig};
//!
//! # fn main() -> nf_core::Result<()> {
//! let sessions = SessionConfig::default();
//! let benign = Capture::open("monday.pcap")?.sessions(&sessions)?.collect()?;
//!
//! let detector = Detector::recipe()
//!     .false_positive_rate(0.01) // 1 in 100 benign sessions may alert
//!     .seed(7)
//!     .fit(&benign)?; // fits on the past, calibrates on the rest
//! detector.save("office.nf")?;
//!
//! let detector = Detector::load("office.nf")?;
//! let judged = Capture::open("wednesday.pcap")?.sessions(&sessions)?.collect()?;
//! for (session, verdict) in judged.iter().zip(detector.judge_all(&judged)?) {
//!     if verdict.is_anomaly() {
//!         println!("{session}\n{}", detector.explain_verdict(session, &verdict)?);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The way of the data
//!
//! Each room of the crate is a module, and uses only those above it:
//!
//! | module | from | to |
//! |---|---|---|
//! | [`capture`] | bytes: pcap, pcapng, gzip, zstd | [`Frame`]s |
//! | [`decode`] | a frame | a [`Packet`](decode::Packet), or the reason why there is none |
//! | [`session`] | packets | [`Session`]s: two-way flows with what their hosts did around them |
//! | [`features`] | sessions | [`Rows`] of columns, named and described by a [`Schema`] |
//! | [`model`] | rows | scores: [`IsolationForest`], [`Autoencoder`], [`Transformer`], or your own [`Model`] |
//! | [`calibration`] | scores of benign sessions | p-values, and the cut that keeps a false-positive rate |
//! | [`detector`] | a session | a [`Verdict`] and an [`Explanation`]; the model file |
//! | [`incident`] | verdicts | [`Incident`]s: one line for one happening |
//! | [`monitor`] | frames as they come | verdicts as sessions end, and incidents |
//! | [`table`] | sessions, packets, rows, verdicts, incidents | columns of one type, for files and data frames |
//!
//! Every part stands alone:
//!
//! ```
//! use nf_core::{FeatureSpec, IsolationForest, Model, Sessions};
//! # fn demo(benign: Sessions) -> nf_core::Result<()> {
//! let rows = FeatureSpec::flow().extract(&*benign)?; // (sessions, 1, columns)
//! let forest = IsolationForest::params().trees(100).seed(7).fit(&rows)?;
//! let scores = forest.score(&rows)?; // higher = stranger
//! # let _ = scores; Ok(())
//! # }
//! ```
//!
//! # What holds everywhere
//!
//! * Time is packet time. There is no clock, no socket, no logger and no global state, and no thread that was not asked for,
//!   so a replay gives what a live run gave.
//! * The same session gets the same score, bit for bit on one machine's CPU, alone or in a batch, with one thread or many.
//! * Scores are higher for stranger sessions, and compared with `>`.
//! * Broken packets are counted by reason. Broken files, configurations and models are [errors](Error) that say where and
//!   what would be right. No input panics.
//! * Memory is bounded, and what is dropped for it is counted.
//! * A column knows only what was known when the verdict fell.
//!
//! # Cargo features
//!
//! * `neural` (default): the networks, [`Autoencoder`] and [`Transformer`], on burn's CPU backend. Without it packets,
//!   sessions, columns, the forest and the detector are left, and build in seconds.
//! * `backend-ndarray`: networks on burn's older CPU backend too ([`Device::Ndarray`]), which burn has deprecated in favour of the one
//!   that `neural` uses. It runs, without a card, the tensor operations that a card would run, and is good for nothing else.
//! * `cuda`: networks on NVIDIA cards too ([`Device::Cuda`]). The driver is loaded when a device is asked for; without one that is an
//!   error. A build fetches a toolchain: burn's CUDA compiler links LLVM, which a build script downloads from its GitHub
//!   releases into `~/.cache/tracel`, and fails without a network. Where nothing is to be linked, as in `cargo check`, `DOCS_RS=1`
//!   in the environment skips it. So never build with `--all-features`.
//! * `wgpu`: networks on graphics adapters too, through Vulkan, Metal, DirectX 12 or OpenGL ([`Device::Wgpu`]). Without a driver that has
//!   one that is an error.
//! * `report`: a judged capture as one HTML page.
//! * `onnx`: models as ONNX files (`Model::to_onnx`), and a detector as a folder of them (`Detector::export_onnx`), for devices
//!   and runtimes that this crate is not for.
//! * `ndarray`: rows from and as arrays of ndarray 0.16, the version that linfa takes.
//! * `linfa`: the traits `Fit` and `Predict` of linfa 0.8, for the forest and, with `neural`, the autoencoder. Brings `ndarray`.
//! * `evaluate`: labels, figures and reports of detection on labelled captures.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod page;
mod parallel;
mod setters;
mod time;
mod whole_file;

pub mod calibration;
pub mod capture;
pub mod decode;
pub mod detector;
#[cfg(feature = "evaluate")]
pub mod evaluate;
pub mod evidence;
pub mod features;
pub mod incident;
pub mod model;
pub mod monitor;
#[cfg(feature = "onnx")]
mod onnx;
#[cfg(feature = "report")]
pub mod report;
pub mod session;
pub mod table;

pub use calibration::Calibration;
pub use capture::{Capture, Frame, LinkType};
pub use detector::{Detector, Explanation, Fact, Verdict};
pub use error::{Error, ErrorKind, Result};
pub use features::{Column, FeatureSpec, Rows, Scaler, Schema};
pub use incident::Incident;
#[cfg(feature = "neural")]
pub use model::{Autoencoder, Transformer};
pub use model::{Device, IsolationForest, Model, Progress};
pub use monitor::{Event, Monitor};
pub use session::{EndReason, FlowKey, Outcome, Session, SessionConfig, SessionTable, Sessions};
pub use time::Timestamp;
