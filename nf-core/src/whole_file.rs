//! Files that are written whole or not at all.

use crate::{Error, Result};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Most links that a path goes through, as of Linux.
const MOST_LINKS: usize = 40;

/// Writes a file under a temporary name in its folder, flushes it to the disk and renames it: an existing file stays as it is
/// until the new one is complete. Of a symbolic link, what it leads to is written.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) that names the path, with the system's error as its source; also where something is
/// there that is no regular file, such as a pipe or a device, which a rename would replace.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let io = |error| Error::io(path, error);
    let target = target(path).map_err(io)?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Opened and written by ourselves: tempfile's errors name its own file, and hide the system's number.
    let create = |temporary: &Path| File::options().write(true).create_new(true).open(temporary);
    let mut file = tempfile::Builder::new().prefix(".nf-").make_in(folder, create).map_err(io)?;
    file.as_file_mut().write_all(bytes).map_err(io)?;
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
    use std::{
        error::Error as _,
        os::unix::{
            fs::{FileTypeExt, PermissionsExt, symlink},
            net::UnixListener,
        },
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

    /// The text of the error that writing gives, which must name the path, and the system's number.
    fn refused(path: &Path) -> (String, Option<i32>) {
        let error = write(path, b"x").unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Io);
        let number = error.source().unwrap().downcast_ref::<io::Error>().unwrap().raw_os_error();
        let message = error.to_string();
        let said = message.strip_prefix(&format!("{}: ", path.display())).unwrap_or_else(|| panic!("{message}"));
        assert!(!said.contains('/'), "another path than that given: {message}");
        (said.to_owned(), number)
    }

    #[test]
    fn what_the_system_refuses_names_the_path_and_keeps_the_number() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let missing = ("No such file or directory (os error 2)".to_owned(), Some(2));
        assert_eq!(refused(&at("none/model")), missing);
        assert_eq!(refused(Path::new("")), missing);
        symlink("none/model", at("link")).unwrap();
        assert_eq!(refused(&at("link")), missing);
        fs::write(at("file"), b"").unwrap();
        assert_eq!(refused(&at("file/model")), ("Not a directory (os error 20)".to_owned(), Some(20)));

        fs::create_dir(at("closed")).unwrap();
        fs::set_permissions(at("closed"), fs::Permissions::from_mode(0o555)).unwrap();
        // To root nothing is closed but what the kernel keeps: permission denied, or a read-only file system.
        let root = File::create(at("closed/probe")).is_ok();
        let closed = if root { PathBuf::from("/sys/kernel") } else { at("closed") };
        if closed.is_dir() {
            let (said, number) = refused(&closed.join("model"));
            assert!(matches!(number, Some(1 | 13 | 30)), "{said}");
        }
    }

    #[test]
    fn files_are_as_readable_as_any() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("ours"), b"x").unwrap();
        fs::write(folder.path().join("any"), b"x").unwrap();
        let mode = |name| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("ours"), mode("any"));
    }
}
