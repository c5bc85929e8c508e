//! Sequence numbers for token ids, handed out from blocks that the store has given to this node.

use std::collections::HashMap;
use std::ops::Range;

use lydian_domain::TokenId;
use lydian_primitives::Hour;
use lydian_storage::{Storage, Unavailable};
use parking_lot::Mutex;

/// How many numbers one block holds. What is left of a block at a stop is lost: an hour has 2^32.
const BLOCK: u32 = 65_536;

/// The most hours for which a block is held.
const HOURS_MAX: usize = 4_096;

/// The blocks of this node, by hour of expiry.
#[derive(Default)]
pub struct Sequences {
    blocks: Mutex<HashMap<Hour, Range<u32>>>,
    refill: tokio::sync::Mutex<()>,
}

impl Sequences {
    /// The next token id for this hour of expiry.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when a new block is needed and the store does not give one.
    pub async fn next(
        &self,
        storage: &dyn Storage,
        hour: Hour,
        store_generation: u8,
    ) -> Result<TokenId, Unavailable> {
        if let Some(sequence) = self.take(hour) {
            return Ok(TokenId::from_parts(hour, store_generation, sequence));
        }
        // One request fetches the block, the others wait for it.
        let _refilling = self.refill.lock().await;
        if let Some(sequence) = self.take(hour) {
            return Ok(TokenId::from_parts(hour, store_generation, sequence));
        }
        let first = storage.allocate_sequences(hour, BLOCK).await?;
        let block = first.saturating_add(1)..first.saturating_add(BLOCK);
        let mut blocks = self.blocks.lock();
        if blocks.len() >= HOURS_MAX {
            blocks.clear();
        }
        blocks.insert(hour, block);
        Ok(TokenId::from_parts(hour, store_generation, first))
    }

    /// Drops the blocks of hours that are over.
    pub fn forget(&self, before: Hour) {
        self.blocks.lock().retain(|hour, _| *hour >= before);
    }

    fn take(&self, hour: Hour) -> Option<u32> {
        self.blocks.lock().get_mut(&hour)?.next()
    }
}
