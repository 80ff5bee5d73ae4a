//! Session to numbers: schemas, and the specs that fill them.

mod rows;
mod scale;
mod schema;

pub use rows::Rows;
pub use scale::Scaler;
pub use schema::{Column, Fingerprint, Schema, Transform};
