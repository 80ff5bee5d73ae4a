//! Where large test data lie: outside of the repository.

use std::path::PathBuf;

/// The directory that the environment variable `NF_DATA` names; where it is not set, prints that `test` is skipped and
/// gives `None`.
pub fn data_dir(test: &str) -> Option<PathBuf> {
    let dir = std::env::var_os("NF_DATA").map(PathBuf::from);
    if dir.is_none() {
        println!("{test} skipped: NF_DATA is not set");
    }
    dir
}
