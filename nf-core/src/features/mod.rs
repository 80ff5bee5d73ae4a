//! Session to numbers: schemas, and the specs that fill them.

mod context;
mod flow;
mod log;
#[cfg(feature = "ndarray")]
mod ndarray;
mod packets;
mod rows;
mod scale;
mod schema;
mod services;
mod spec;
#[cfg(test)]
mod tests;
mod words;

pub use rows::Rows;
pub use scale::Scaler;
pub use schema::{Column, Fingerprint, Schema, Transform};
pub use spec::FeatureSpec;
pub(crate) use spec::{Extractor, FlatColumn};
