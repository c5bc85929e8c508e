//! Writes a small store of this program's schema version into a directory, for the tests of upgrades.
//!
//! `crates/storage-embedded/tests/fixtures/README.md` says how its dump becomes a fixture.
#![forbid(unsafe_code)]

use std::path::Path;

use lydian_domain::secrets::WrappingKey;
use lydian_primitives::{Mint, SecretBytes, SystemEntropy};
use lydian_storage::conformance::fixtures::{NOW, change, each_write, hour, signing_key};
use lydian_storage::{Storage, Write};
use lydian_storage_embedded::{EmbeddedStorage, Options};

/// The throw-away key: nothing that it seals is a secret.
const WRAPPING_KEY: [u8; 32] = [0; 32];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).ok_or("name an empty directory")?;
    let storage = EmbeddedStorage::open(Path::new(&directory), Options::default())?;
    let mint = Mint::new(NOW, &SystemEntropy);
    let sealed = WrappingKey::new(SecretBytes::new(WRAPPING_KEY)).wrap("fixture", b"nothing of value", &mint);
    let mut key = signing_key(2);
    key.wrapped_private_key = sealed;
    let mut writes = each_write(0);
    writes.push(Write::PutSigningKey(key));
    storage.apply(change(vec![], writes)).await?;
    storage.allocate_sequences(hour(), 1_000).await?;
    storage.close().await?;
    Ok(())
}
