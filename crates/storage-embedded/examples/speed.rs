//! How fast the store writes and reads: `cargo run --release -p lydian-storage-embedded --features fill --example speed -- DIRECTORY [ROWS]`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement for people")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lydian_domain::{AccessToken, Audience, ClientId, GrantId, RealmId, TokenDigest, TokenForm, TokenId};
use lydian_oauth_types::ScopeSet;
use lydian_primitives::{Digest, Timestamp};
use lydian_revocation::Seq;
use lydian_storage::{Change, ReadStorage, Storage, Write};
use lydian_storage_embedded::fill::Filler;
use lydian_storage_embedded::{EmbeddedStorage, Options};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

fn token(id: TokenId, scope: &ScopeSet) -> AccessToken {
    AccessToken {
        id,
        realm: RealmId::from_number(1),
        client: ClientId::from_number(0x5555_5555_5555),
        user: None,
        session: None,
        grant: GrantId::from_number(0x7777_7777_7777_7777),
        audience: Audience::Issuer,
        scope: scope.clone(),
        issued_at: NOW,
        expires_at: NOW.plus_seconds(3_600),
        minted_at: Seq::from_number(5),
        form: TokenForm::Opaque,
        digest: Some(TokenDigest { generation: 1, digest: Digest::from_bytes([9; 32]) }.into()),
        revoked_at: None,
    }
}

fn writer_cpu() -> Duration {
    // The accounting of each thread, in ticks of 10 ms.
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default();
        if stat.contains("(lydian-writer)") {
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
            let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
            return Duration::from_millis(ticks * 10);
        }
    }
    Duration::ZERO
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().expect("a directory");
    let rows: u32 = arguments.next().map_or(0, |rows| rows.parse().unwrap());
    let directory = Path::new(&directory);
    let scope = ScopeSet::parse("read write").unwrap();
    if rows > 0 {
        fill(directory, rows, &scope);
    }
    let started = Instant::now();
    let storage = EmbeddedStorage::open(directory, Options::default()).unwrap();
    println!("opened in {:?}", started.elapsed());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(load(&storage));
    runtime.block_on(write(&storage, &scope));
    runtime.block_on(read(&storage));
    runtime.block_on(forget(&storage));
    runtime.block_on(storage.close()).unwrap();
}

fn fill(directory: &Path, rows: u32, scope: &ScopeSet) {
    let started = Instant::now();
    let filler = Filler::open(directory).unwrap();
    let hour = NOW.minus_seconds(86_400).hour();
    filler.access_tokens((0..rows).map(|number| token(TokenId::from_parts(hour, 1, number), scope))).unwrap();
    println!("{rows} tokens in {:?}", started.elapsed());
    let revoked = (0..rows / 10).map(|number| (TokenId::from_parts(hour, 1, number), NOW));
    filler.revocations(revoked, NOW).unwrap();
    filler.finish().unwrap();
    println!("and {} revocations in {:?}", rows / 10, started.elapsed());
}

async fn load(storage: &EmbeddedStorage) {
    let started = Instant::now();
    let (mut after, mut rows) = (Seq::ZERO, 0);
    loop {
        let page = storage.log_after(after, 10_000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.seq;
        rows += page.len();
    }
    println!("{rows} rows of the log read in {:?}", started.elapsed());
}

async fn write(storage: &Arc<EmbeddedStorage>, scope: &ScopeSet) {
    for (appliers, name) in [(1, "one applier"), (64, "64 appliers"), (512, "512 appliers")] {
        let block = storage.allocate_sequences(NOW.hour(), 50_000_000).await.unwrap();
        let next = Arc::new(AtomicU64::new(u64::from(block)));
        let slowest = Arc::new(AtomicU64::new(0));
        let end = Instant::now() + Duration::from_secs(4);
        let (started, cpu) = (Instant::now(), writer_cpu());
        let tasks: Vec<_> = (0..appliers)
            .map(|_| {
                let (storage, next, slowest) = (Arc::clone(storage), Arc::clone(&next), Arc::clone(&slowest));
                let scope = scope.clone();
                tokio::spawn(async move {
                    let mut count = 0_u64;
                    while Instant::now() < end {
                        let sequence = next.fetch_add(1, Ordering::Relaxed) as u32;
                        let token = token(TokenId::from_parts(NOW.hour(), 1, sequence), &scope);
                        let asked = Instant::now();
                        let writes = vec![Write::PutAccessToken(token)];
                        storage.apply(Change { preconditions: vec![], writes, at: NOW }).await.unwrap();
                        slowest.fetch_max(asked.elapsed().as_micros() as u64, Ordering::Relaxed);
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        let mut count = 0;
        for task in tasks {
            count += task.await.unwrap();
        }
        let (elapsed, cpu) = (started.elapsed(), writer_cpu() - cpu);
        println!(
            "{name}: {:.0} changes/s, writer {:.2} us of CPU each, slowest answer {} us",
            count as f64 / elapsed.as_secs_f64(),
            cpu.as_secs_f64() * 1e6 / count as f64,
            slowest.load(Ordering::Relaxed)
        );
    }
}

async fn read(storage: &EmbeddedStorage) {
    for spread in [1_000_u32, 100_000] {
        let mut found = 0;
        let reads = 500_000_u32;
        let started = Instant::now();
        for number in 0..reads {
            let sequence = number.wrapping_mul(2_654_435_761) % spread;
            let id = TokenId::from_parts(NOW.hour(), 1, sequence);
            found += u32::from(storage.find_access_token(id).await.unwrap().is_some());
        }
        let each = started.elapsed() / reads;
        println!("find_access_token over {spread} tokens: {each:?} each, {found} found");
    }
}

async fn forget(storage: &EmbeddedStorage) {
    let (started, mut rows, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    for _ in 0..500 {
        let step = Instant::now();
        rows += storage.forget(NOW.hour(), Timestamp::EPOCH, 1_000).await.unwrap();
        slowest = slowest.max(step.elapsed());
    }
    let each_second = rows as f64 / started.elapsed().as_secs_f64();
    println!("forgot {rows} rows, {each_second:.0}/s, slowest step {slowest:?}");
}
