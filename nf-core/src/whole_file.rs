//! Files that are written whole or not at all.

use crate::{Error, Result};
use std::{io::Write, path::Path};

/// Writes a file under a temporary name in its folder, flushes it to the disk and renames it: an existing file stays as it is
/// until the new one is complete.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) that names the path.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |error| Error::io(path, error);
    let mut builder = tempfile::Builder::new();
    // Temporary files are private by default; this one is to be as readable as any file that is saved here.
    #[cfg(unix)]
    let builder = builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".nf-").tempfile_in(folder).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|e| Error::io(path, e.error))?;
    Ok(())
}
