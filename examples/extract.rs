//! Turns captures into tables: a row a session, or a row a packet, as CSV, Parquet or Arrow.

use std::{io, process::ExitCode};

fn main() -> ExitCode {
    nf_examples::extract::run(lexopt::Parser::from_env(), &mut io::stdout(), &mut io::stderr()).into()
}
