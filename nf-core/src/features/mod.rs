//! Session to numbers: schemas, and the specs that fill them.

mod rows;
mod schema;

pub use rows::Rows;
pub use schema::{Column, Fingerprint, Schema, Transform};
