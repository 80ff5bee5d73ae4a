//! Files that are written whole or not at all.

use crate::{Error, Result};
use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

/// Most links that a path goes through, as of Linux.
const MOST_LINKS: usize = 40;

/// Writes a file under a temporary name in its folder, flushes it to the disk and renames it: an existing file stays as it is
/// until the new one is complete. Of a symbolic link, what it leads to is written.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) that names the path; also where something is there that is no regular file, such
/// as a pipe or a device, which a rename would replace.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let io = |error| Error::io(path, error);
    let target = target(path).map_err(io)?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // Temporary files are private by default; this one is to be as readable as any file that is saved here.
    #[cfg(unix)]
    let builder = builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".nf-").tempfile_in(folder).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(&target).map_err(|e| io(e.error))?;
    Ok(())
}

/// Where a path leads to through symbolic links: a regular file, or nothing yet.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&target) {
            Ok(there) if there.is_symlink() => {
                let link = fs::read_link(&target)?;
                target = target.parent().unwrap_or(Path::new("")).join(link);
            }
            Ok(there) if there.is_file() => return Ok(target),
            Ok(_) => return Err(io::Error::other("it is no regular file, it must be one, or none yet")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(target),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("it is a symbolic link to itself"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::{
        fs::{FileTypeExt, symlink},
        net::UnixListener,
    };

    #[test]
    fn links_stay_and_what_they_lead_to_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("deep")).unwrap();
        symlink("deep/model", at("link")).unwrap();
        symlink(at("link"), at("link to link")).unwrap();
        for bytes in [b"one", b"two"] {
            write(&at("link to link"), bytes).unwrap();
            assert_eq!(fs::read(at("deep/model")).unwrap(), bytes);
            assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        }
        assert_eq!(fs::read_dir(at("deep")).unwrap().count(), 1);
        symlink("circle", at("circle")).unwrap();
        let message = write(&at("circle"), b"x").unwrap_err().to_string();
        assert!(message.ends_with("circle: it is a symbolic link to itself"), "{message}");
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        symlink("socket", folder.path().join("link")).unwrap();
        for path in [socket.clone(), folder.path().join("link"), folder.path().to_owned()] {
            let message = write(&path, b"x").unwrap_err().to_string();
            let expected = format!("{}: it is no regular file, it must be one, or none yet", path.display());
            assert_eq!(message, expected);
        }
        assert!(fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
