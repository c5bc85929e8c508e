//! The data directory: private, owned by one process at a time, with the key that seals the store.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lydian_admin_api::CONTROL_SOCKET;
use lydian_domain::secrets::WrappingKey;
use lydian_primitives::{Entropy, SecretBytes};
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

/// The file that holds the wrapping key.
pub(crate) const WRAPPING_KEY: &str = "wrapping.key";

/// The file whose lock says who owns the directory.
const LOCK: &str = "lock";

/// What a running server tells scripts.
pub const RUN_FILE: &str = "run.json";

/// Why the data directory cannot be used. The text says what to do.
#[derive(Debug)]
pub enum DataDirectoryError {
    /// Another process uses it.
    InUse(PathBuf),
    /// Something in it is not as it must be.
    Refused {
        /// What.
        path: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// It cannot be read or written.
    Io {
        /// What was touched.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl fmt::Display for DataDirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => {
                write!(
                    f,
                    "{}: another process uses this data directory; stop it first, or name another with --data-dir",
                    path.display()
                )
            }
            Self::Refused { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl std::error::Error for DataDirectoryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::InUse(_) | Self::Refused { .. } => None,
        }
    }
}

/// A data directory that belongs to this process until it is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    /// Its lock lasts as long as the file is open, and ends with the process however that ends.
    _lock: File,
}

impl DataDirectory {
    /// Opens the directory, makes it when it is missing, and takes it over.
    ///
    /// # Errors
    ///
    /// [`DataDirectoryError::Refused`] for wider modes than 0700 and 0600, a foreign owner or a symbolic link;
    /// [`DataDirectoryError::InUse`] when another process has it.
    pub fn open(path: &Path) -> Result<Self, DataDirectoryError> {
        match fs::symlink_metadata(path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(path)
                    .map_err(|error| io_error(path, error))?;
            }
            Err(error) => return Err(io_error(path, error)),
        }
        check(path, true)?;
        let lock_path = path.join(LOCK);
        if lock_path.symlink_metadata().is_ok() {
            check(&lock_path, false)?;
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|error| io_error(&lock_path, error))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(DataDirectoryError::InUse(path.to_owned())),
            Err(error) => return Err(io_error(&lock_path, error.into())),
        }
        let entries = fs::read_dir(path).map_err(|error| io_error(path, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| io_error(path, error))?;
            let is_directory = entry.file_type().map_err(|error| io_error(path, error))?.is_dir();
            check(&entry.path(), is_directory)?;
        }
        let path = path.canonicalize().map_err(|error| io_error(path, error))?;
        Ok(Self { path, _lock: lock })
    }

    /// Whether a first start could take the directory, as far as looking shows; nothing is made.
    ///
    /// # Errors
    ///
    /// [`DataDirectoryError::Refused`] as in [`Self::open`].
    pub(crate) fn check_absent(path: &Path) -> Result<(), DataDirectoryError> {
        if fs::symlink_metadata(path).is_ok() { check(path, true) } else { Ok(()) }
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The wrapping key, made at first start.
    ///
    /// # Errors
    ///
    /// [`DataDirectoryError`] when it cannot be read, or is not what was written.
    pub fn wrapping_key(&self, entropy: &dyn Entropy) -> Result<WrappingKey, DataDirectoryError> {
        let path = self.path.join(WRAPPING_KEY);
        let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
        match File::open(&path) {
            Ok(mut file) => {
                let is_whole = file.metadata().is_ok_and(|metadata| metadata.len() == 32);
                if !is_whole {
                    let why = "it is not a wrapping key of 32 bytes; put back the file that belongs to this database".to_owned();
                    return Err(DataDirectoryError::Refused { path, why });
                }
                file.read_exact(&mut *bytes).map_err(|error| io_error(&path, error))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.path.join("lydian.db").exists() {
                    let why = "it is missing, and without it the database cannot be read; put back the file that belongs to it".to_owned();
                    return Err(DataDirectoryError::Refused { path, why });
                }
                entropy.fill(&mut *bytes);
                self.write(WRAPPING_KEY, &*bytes)?;
            }
            Err(error) => return Err(io_error(&path, error)),
        }
        Ok(WrappingKey::new(SecretBytes::new(*bytes)))
    }

    /// Writes a file whole or not at all, with mode 0600.
    ///
    /// # Errors
    ///
    /// [`DataDirectoryError::Io`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, DataDirectoryError> {
        let path = self.path.join(name);
        let draft = self.path.join(format!(".{name}.draft"));
        let written = (|| {
            match fs::remove_file(&draft) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(&self.path)?.sync_all()
        })();
        written.map_err(|error| io_error(&path, error))?;
        Ok(path)
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, name: &str) {
        // A file that stays is overwritten at the next start; there is nothing better to do about it now.
        let _ = fs::remove_file(self.path.join(name));
    }
}

/// A directory of this process alone, with a name that nobody can foretell. It goes with its owner.
///
/// # Errors
///
/// When the directory for temporary files cannot be written.
pub(crate) fn private_place() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("lydian-").permissions(fs::Permissions::from_mode(0o700)).tempdir()
}

/// The wrapping key of a data directory that may be another process's, for its backup.
///
/// # Errors
///
/// [`DataDirectoryError`] when it cannot be read.
pub(crate) fn read_wrapping_key(directory: &Path) -> Result<[u8; 32], DataDirectoryError> {
    let path = directory.join(WRAPPING_KEY);
    let bytes = zeroize::Zeroizing::new(fs::read(&path).map_err(|error| io_error(&path, error))?);
    bytes.as_slice().try_into().map_err(|_| DataDirectoryError::Refused {
        path,
        why: "it is not a wrapping key of 32 bytes; put back the file that belongs to this database"
            .to_owned(),
    })
}

/// Private, ours, and no link.
fn check(path: &Path, is_directory: bool) -> Result<(), DataDirectoryError> {
    let metadata = fs::symlink_metadata(path).map_err(|error| io_error(path, error))?;
    let refuse = |why: String| Err(DataDirectoryError::Refused { path: path.to_owned(), why });
    if metadata.is_symlink() {
        return refuse("it is a symbolic link; name the place itself".to_owned());
    }
    if is_directory && !metadata.is_dir() {
        return refuse("it is no directory".to_owned());
    }
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me {
        return refuse(format!(
            "it belongs to user {}, and this process runs as {me}; change the owner",
            metadata.uid()
        ));
    }
    // The local socket of a server that was killed: made anew at each start, and guarded by the mode of the directory.
    if metadata.file_type().is_socket() && path.file_name().is_some_and(|name| name == CONTROL_SOCKET) {
        return Ok(());
    }
    let mode = metadata.permissions().mode() & 0o777;
    let allowed = if metadata.is_dir() { 0o700 } else { 0o600 };
    if mode & !allowed != 0 {
        return refuse(format!(
            "its mode {mode:o} lets others in; run: chmod {allowed:o} {}",
            path.display()
        ));
    }
    Ok(())
}

fn io_error(path: &Path, source: io::Error) -> DataDirectoryError {
    DataDirectoryError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use lydian_primitives::SystemEntropy;

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        (parent, path)
    }

    #[track_caller]
    fn check_refused(path: &Path, expected: &str) {
        match DataDirectory::open(path) {
            Err(error @ DataDirectoryError::Refused { .. }) => {
                assert!(error.to_string().contains(expected), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn s4_it_is_made_private() {
        let (_parent, path) = place();
        let directory = DataDirectory::open(&path).unwrap();
        directory.wrapping_key(&SystemEntropy).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(path.join(WRAPPING_KEY)).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.join(LOCK)).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn s4_wider_modes_are_refused_and_not_mended() {
        let (_parent, path) = place();
        drop(DataDirectory::open(&path).unwrap());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        check_refused(&path, "chmod 700");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(path.join("lydian.db"), b"").unwrap();
        fs::set_permissions(path.join("lydian.db"), fs::Permissions::from_mode(0o640)).unwrap();
        check_refused(&path, "chmod 600");
    }

    #[test]
    fn s4_symbolic_links_are_refused() {
        let (parent, path) = place();
        DirBuilder::new().mode(0o700).create(&path).unwrap();
        let link = parent.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        check_refused(&link, "symbolic link");
        std::os::unix::fs::symlink("/etc/passwd", path.join("lock")).unwrap();
        check_refused(&path, "symbolic link");
    }

    #[test]
    fn s4_a_second_owner_is_refused_and_the_first_unharmed() {
        let (_parent, path) = place();
        let first = DataDirectory::open(&path).unwrap();
        assert!(matches!(DataDirectory::open(&path), Err(DataDirectoryError::InUse(_))));
        first.write("a", b"b").unwrap();
        drop(first);
        assert!(DataDirectory::open(&path).is_ok());
    }

    #[test]
    fn the_wrapping_key_stays_the_same_and_is_never_made_anew_for_a_database() {
        let (_parent, path) = place();
        let directory = DataDirectory::open(&path).unwrap();
        let first = directory.wrapping_key(&SystemEntropy).unwrap().check_value();
        assert_eq!(directory.wrapping_key(&SystemEntropy).unwrap().check_value(), first);
        fs::remove_file(path.join(WRAPPING_KEY)).unwrap();
        directory.write("lydian.db", b"").unwrap();
        assert!(matches!(directory.wrapping_key(&SystemEntropy), Err(DataDirectoryError::Refused { .. })));
        directory.write(WRAPPING_KEY, b"short").unwrap();
        assert!(matches!(directory.wrapping_key(&SystemEntropy), Err(DataDirectoryError::Refused { .. })));
    }
}
