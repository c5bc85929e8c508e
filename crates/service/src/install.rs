//! The secrets of an install: made at first start, sealed in the store ever after.

use lydian_domain::secrets::{RootKeys, UnwrapError, WrappingKey};
use lydian_domain::{Realm, RealmId, RealmName};
use lydian_primitives::{Mint, SecretBytes};
use lydian_storage::{
    ApplyError, Change, Conflict, Precondition, ReadStorage, Record, Storage, Unavailable, Write,
};
use zeroize::Zeroizing;

use crate::node::OpenError;

/// The setting that tells under which wrapping key the store was sealed.
pub const CHECK_VALUE: &str = "wrapping_key_check";
/// The setting with the sealed key of handles.
pub const HANDLE_KEY: &str = "handle_key";
/// The setting with the sealed peppers.
pub const PEPPERS: &str = "peppers";
/// The setting with the generation of the store: raised by each restore.
pub const STORE_GENERATION: &str = "store_generation";

/// What a hash of a password costs, as it was measured at the first start.
pub const PASSWORD_COST: &str = "password_cost";

/// The issuer of the last start.
pub const ISSUER: &str = "issuer";

/// What an install holds beside its records.
pub struct Install {
    /// From which everything else is derived.
    pub root_keys: RootKeys,
    /// Raised by each restore; part of every token's id.
    pub store_generation: u8,
}

/// The label under which a signing key is sealed: it opens nowhere else.
pub fn key_label(realm: RealmId, kid: &str) -> String {
    format!("lydian signing key {realm} {kid}")
}

/// Opens the install, or makes it at first start together with the default realm.
///
/// # Errors
///
/// [`OpenError::WrongWrappingKey`] when the store was sealed under another wrapping key.
pub async fn open(
    storage: &dyn Storage,
    wrapping_key: &WrappingKey,
    mint: &Mint<'_>,
) -> Result<Install, OpenError> {
    if storage.find_setting(CHECK_VALUE).await?.is_none() {
        create(storage, wrapping_key, mint).await?;
    }
    let check_value = storage.find_setting(CHECK_VALUE).await?.unwrap_or_default();
    if check_value != wrapping_key.check_value() {
        return Err(OpenError::WrongWrappingKey);
    }
    let handle = load_sealed(storage, wrapping_key, HANDLE_KEY).await?;
    let peppers = load_sealed(storage, wrapping_key, PEPPERS).await?;
    let generation = storage.find_setting(STORE_GENERATION).await?.unwrap_or_default();
    let (peppers, rest) = peppers.as_chunks::<32>();
    let handle = handle.as_slice().try_into().map_err(|_| OpenError::Damaged("the handle key"))?;
    if !rest.is_empty() || peppers.is_empty() || peppers.len() > 62 {
        return Err(OpenError::Damaged("the peppers"));
    }
    Ok(Install {
        root_keys: RootKeys {
            handle: SecretBytes::new(handle),
            peppers: peppers.iter().map(|pepper| SecretBytes::new(*pepper)).collect(),
        },
        store_generation: *generation.first().ok_or(OpenError::Damaged("the store generation"))?,
    })
}

async fn create(storage: &dyn Storage, wrapping_key: &WrappingKey, mint: &Mint<'_>) -> Result<(), OpenError> {
    let sealed = |name: &'static str| {
        let key = mint.key();
        Write::PutSetting { name, value: wrapping_key.wrap(name, key.expose(), mint) }
    };
    let default_realm = Realm::with_defaults(RealmId::from_number(1), RealmName::default_realm());
    let change = Change {
        preconditions: vec![Precondition::SettingIs { name: CHECK_VALUE, value: None }],
        writes: vec![
            Write::PutSetting { name: CHECK_VALUE, value: wrapping_key.check_value().to_vec() },
            sealed(HANDLE_KEY),
            sealed(PEPPERS),
            Write::PutSetting { name: STORE_GENERATION, value: vec![1] },
            Write::PutRealm(default_realm),
        ],
        at: mint.now(),
    };
    match storage.apply(change).await {
        // Somebody else was first: what it made is read next.
        Ok(_) | Err(ApplyError::Conflict(Conflict::SettingChanged)) => Ok(()),
        Err(ApplyError::Conflict(conflict)) => Err(Unavailable::new("make the install", conflict).into()),
        Err(ApplyError::Unavailable(unavailable)) => Err(unavailable.into()),
    }
}

async fn load_sealed(
    storage: &dyn Storage,
    wrapping_key: &WrappingKey,
    name: &'static str,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let sealed = storage.find_setting(name).await?.ok_or(OpenError::Damaged("the sealed secrets"))?;
    wrapping_key.unwrap(name, &sealed).map_err(|UnwrapError| OpenError::WrongWrappingKey)
}

/// The records that nodes keep in memory, for a first directory.
///
/// # Errors
///
/// [`Unavailable`] when the store cannot be read.
pub async fn load_records(storage: &dyn ReadStorage) -> Result<Vec<Record>, Unavailable> {
    storage.load_records().await
}
