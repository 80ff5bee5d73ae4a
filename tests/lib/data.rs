//! Where large test data lie: outside of the repository.

use std::path::PathBuf;

/// The directory that the environment variable `NF_DATA` names; where it is not set, prints that the running test is
/// skipped and gives `None`.
pub fn data_dir() -> Option<PathBuf> {
    let dir = std::env::var_os("NF_DATA").map(PathBuf::from);
    if dir.is_none() {
        // The test harness names its threads after the tests.
        println!("{} skipped: NF_DATA is not set", std::thread::current().name().unwrap_or("test"));
    }
    dir
}
