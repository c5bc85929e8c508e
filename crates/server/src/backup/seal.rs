//! Sealing: AES-256-GCM under keys that are derived from a recovery key, in chunks for long files.
//!
//! Long files follow the STREAM construction: the nonce of a chunk is its number and whether it is the last one, so that chunks can be
//! neither swapped, dropped nor cut off.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use lydian_domain::secrets::WrappingKey;
use lydian_primitives::{Entropy, SecretBytes, base64url};
use zeroize::Zeroizing;

use super::{BackupError, io_error, refused};

/// Plain bytes of one chunk.
const CHUNK: usize = 1024 * 1024;
/// What sealing adds to a chunk.
const TAG: usize = 16;

/// How a recovery key begins, so that a leaked one is recognised.
const KEY_PREFIX: &str = "lydian-recovery-";

/// Opens all backups that were made under it. It lies neither in the data directory nor in a backup.
pub struct RecoveryKey(SecretBytes<32>);

impl RecoveryKey {
    /// The key with these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretBytes::new(bytes))
    }

    /// What seals the wrapping key in the backup with this salt.
    pub(super) fn wrapping(&self, salt: &[u8]) -> WrappingKey {
        WrappingKey::new(SecretBytes::new(*self.derive(salt, "lydian backup wrapping key")))
    }

    /// What seals the database in the backup with this salt.
    fn database(&self, salt: &[u8]) -> LessSafeKey {
        let key = self.derive(salt, "lydian backup database");
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*key).expect("the key has 32 bytes"))
    }

    fn derive(&self, salt: &[u8], label: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
            .extract(self.0.expose())
            .expand(&[label.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *key))
            .expect("32 bytes are within the limits of HKDF");
        key
    }
}

/// Reads a recovery key from its file.
///
/// # Errors
///
/// [`BackupError`] when there is none, or the file lets others in.
pub fn read_recovery_key(path: &Path) -> Result<RecoveryKey, BackupError> {
    let file = File::open(path).map_err(io_error(path))?;
    let mode = file.metadata().map_err(io_error(path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(refused(
            path,
            format!("its mode {mode:o} lets others read it; run: chmod 600 {}", path.display()),
        ));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(1_024).read_to_string(&mut text).map_err(io_error(path))?;
    let key = text.trim().strip_prefix(KEY_PREFIX).and_then(|key| base64url::decode_array(key.as_bytes()));
    key.map(RecoveryKey::new).ok_or_else(|| {
        refused(path, format!("it is no recovery key: one line that begins with {KEY_PREFIX}"))
    })
}

/// Reads a recovery key, or makes one in a new file. Whether it was made.
///
/// # Errors
///
/// As [`read_recovery_key`].
pub fn read_or_make_recovery_key(
    path: &Path,
    entropy: &dyn Entropy,
) -> Result<(RecoveryKey, bool), BackupError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Ok((read_recovery_key(path)?, false));
        }
        Err(error) => return Err(io_error(path)(error)),
        Ok(file) => file,
    };
    let mut bytes = Zeroizing::new([0; 32]);
    entropy.fill(&mut *bytes);
    let line = Zeroizing::new(format!("{KEY_PREFIX}{}\n", base64url::encode(&*bytes)));
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(io_error(path))?;
    Ok((RecoveryKey::new(*bytes), true))
}

/// The nonce of a chunk. The key is of this file alone, so that no nonce repeats under it.
fn nonce(number: u32, is_last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[7..11].copy_from_slice(&number.to_be_bytes());
    bytes[11] = u8::from(is_last);
    Nonce::assume_unique_for_key(bytes)
}

/// Seals all that `plain` gives into `sealed`; how many bytes there were. `told` hears of each chunk.
pub(super) fn seal_stream(
    key: &RecoveryKey,
    salt: &[u8],
    plain: &mut impl Read,
    sealed: &mut impl Write,
    mut told: impl FnMut(u64),
) -> io::Result<u64> {
    let cipher = key.database(salt);
    let mut total = 0;
    let mut current = read_chunk(plain, CHUNK)?;
    for number in 0.. {
        // A chunk is the last one when nothing comes after it; an empty file is one empty chunk.
        let next = if current.len() == CHUNK { read_chunk(plain, CHUNK)? } else { Vec::new() };
        let is_last = next.is_empty();
        total += current.len() as u64;
        cipher
            .seal_in_place_append_tag(nonce(number, is_last), Aad::empty(), &mut current)
            .map_err(|_| io::Error::other("a chunk could not be sealed"))?;
        sealed.write_all(&current)?;
        told(total);
        if is_last {
            return Ok(total);
        }
        current = next;
    }
    Err(io::Error::other("the file is too long to be sealed"))
}

/// Opens what [`seal_stream`] sealed.
pub(super) fn open_stream(
    key: &RecoveryKey,
    salt: &[u8],
    sealed: &mut impl Read,
    plain: &mut impl Write,
    mut told: impl FnMut(u64),
) -> io::Result<u64> {
    let altered =
        || io::Error::new(io::ErrorKind::InvalidData, "it was altered, cut off, or sealed under another key");
    let cipher = key.database(salt);
    let mut total = 0;
    let mut current = read_chunk(sealed, CHUNK + TAG)?;
    for number in 0.. {
        let next = if current.len() == CHUNK + TAG { read_chunk(sealed, CHUNK + TAG)? } else { Vec::new() };
        let is_last = next.is_empty();
        let opened = cipher
            .open_in_place(nonce(number, is_last), Aad::empty(), &mut current)
            .map_err(|_| altered())?;
        total += opened.len() as u64;
        plain.write_all(opened)?;
        told(total);
        if is_last {
            return Ok(total);
        }
        current = next;
    }
    Err(altered())
}

fn read_chunk(from: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(length + TAG);
    from.take(length as u64).read_to_end(&mut chunk)?;
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> RecoveryKey {
        RecoveryKey::new([7; 32])
    }

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        seal_stream(&key(), b"salt", &mut &plain[..], &mut sealed, |_| {}).unwrap();
        sealed
    }

    fn opened(key: &RecoveryKey, salt: &[u8], sealed: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        open_stream(key, salt, &mut &sealed[..], &mut plain, |_| {}).map(|_| plain)
    }

    #[test]
    fn what_is_sealed_opens_at_every_length_around_a_chunk() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5] {
            let plain: Vec<u8> = (0..length).map(|at| at as u8).collect();
            assert_eq!(opened(&key(), b"salt", &sealed(&plain)).unwrap(), plain, "{length}");
        }
    }

    #[test]
    fn what_was_altered_swapped_or_cut_off_does_not_open() {
        let whole = sealed(&vec![3; 3 * CHUNK]);
        let chunk = CHUNK + TAG;
        let mut cases = vec![
            ("cut off at a chunk", whole[..2 * chunk].to_vec()),
            ("cut off within a chunk", whole[..2 * chunk + 9].to_vec()),
            ("cut off to nothing", Vec::new()),
            ("a byte more", [whole.as_slice(), &[0]].concat()),
            ("swapped", [&whole[chunk..2 * chunk], &whole[..chunk], &whole[2 * chunk..]].concat()),
            ("one dropped", [&whole[..chunk], &whole[2 * chunk..]].concat()),
            ("one twice", [&whole[..chunk], &whole[..chunk], &whole[chunk..]].concat()),
        ];
        for at in [0, chunk - 1, chunk, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            cases.push(("flipped", flipped));
        }
        for (name, bytes) in cases {
            assert_eq!(
                opened(&key(), b"salt", &bytes).unwrap_err().kind(),
                io::ErrorKind::InvalidData,
                "{name}"
            );
        }
        assert!(opened(&RecoveryKey::new([8; 32]), b"salt", &whole).is_err());
        assert!(opened(&key(), b"other", &whole).is_err());
        assert!(opened(&key(), b"salt", &whole).is_ok());
    }

    #[test]
    fn a_recovery_key_is_made_once_and_private() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("recovery.key");
        let entropy = lydian_primitives::SystemEntropy;
        let (first, made) = read_or_make_recovery_key(&path, &entropy).unwrap();
        let (second, made_again) = read_or_make_recovery_key(&path, &entropy).unwrap();
        assert_eq!((made, made_again), (true, false));
        let check = |key: &RecoveryKey| key.wrapping(b"s").check_value();
        assert_eq!(check(&first), check(&second));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_recovery_key(&path), Err(BackupError::Refused { .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "lydian-recovery-short").unwrap();
        assert!(matches!(read_recovery_key(&path), Err(BackupError::Refused { .. })));
    }
}
