//! The bound under faults: the way to the server is cut, stalled and slowed, the server dies, and an oracle that knows when each
//! revocation was answered looks for a validator that accepts after the bound.
//!
//! The campaign `feed` runs this test with its own numbers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use lydian_primitives::{BootInstant, Clock, SystemClock};
use lydian_revocation::{CutKind, LeaseTerms};
use lydian_test_kit::TestServer;
use lydian_test_kit::feed::{FeedClient, Refused, TokenFacts, Validator, Verdict};
use lydian_test_kit::fixtures::Credentials;
use lydian_test_kit::seed::{self, Seed};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::support::facts;

const TERMS: LeaseTerms = LeaseTerms::VALIDATORS;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What the way to the server does to bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Fine,
    /// Each piece waits for up to so many milliseconds, each connection for itself: answers and events overtake each other.
    Slow(u64),
    /// Bytes are taken and not passed on.
    Silent,
}

/// The way to the server.
struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    cut: watch::Sender<u64>,
    target: watch::Sender<SocketAddr>,
}

impl Proxy {
    async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let proxy = Self {
            address,
            weather: watch::Sender::new(Weather::Fine),
            cut: watch::Sender::new(0),
            target: watch::Sender::new(target),
        };
        let (weather, cut, target) = (proxy.weather.clone(), proxy.cut.clone(), proxy.target.clone());
        tokio::spawn(async move {
            let mut count = 0;
            while let Ok((client, _)) = listener.accept().await {
                count += 1;
                let target = *target.borrow();
                tokio::spawn(carry(client, target, weather.subscribe(), cut.subscribe(), count));
            }
        });
        proxy
    }
}

async fn carry(
    mut client: TcpStream,
    target: SocketAddr,
    weather: watch::Receiver<Weather>,
    mut cut: watch::Receiver<u64>,
    seed: u64,
) {
    cut.mark_unchanged();
    // The server bounds the connections of one address.
    let source = Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(seed % 100).expect("below a hundred"));
    let Ok(socket) = TcpSocket::new_v4() else { return };
    if socket.bind(SocketAddr::from((source, 0))).is_err() {
        return;
    }
    let Ok(mut server) = socket.connect(target).await else { return };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    tokio::select! {
        _ = cut.changed() => {}
        () = copy(&mut from_client, &mut to_server, weather.clone(), Dice(seed)) => {}
        () = copy(&mut from_server, &mut to_client, weather, Dice(!seed)) => {}
    }
}

async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut weather: watch::Receiver<Weather>,
    mut dice: Dice,
) {
    let mut buffer = vec![0; 8 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            return;
        }
        let now = *weather.borrow();
        if let Weather::Slow(longest) = now {
            tokio::time::sleep(Duration::from_millis(dice.below(longest))).await;
        }
        // What was swallowed is passed on when the weather changes: late, and whole.
        if weather.wait_for(|weather| *weather != Weather::Silent).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// A validator that follows by itself.
struct Running {
    api: &'static str,
    state: Mutex<Validator>,
    lost: AtomicBool,
}

async fn follow(running: Arc<Running>, client: FeedClient) {
    let patience = Duration::from_secs(7);
    loop {
        if running.lost.swap(false, Ordering::AcqRel) || !running.state.lock().is_loaded() {
            let mut fresh = Validator::new(0);
            // Loaded aside, so that the old state goes on answering under its lease.
            match tokio::time::timeout(patience, client.load(&mut fresh)).await {
                Ok(Ok(())) => running.state.lock().take_over(fresh),
                Ok(Err(_)) | Err(_) => {
                    running.lost.store(true, Ordering::Release);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            }
        }
        let position = running.state.lock().position();
        let opened = tokio::time::timeout(patience, client.stream(Some(position))).await;
        let Ok(Ok(mut stream)) = opened else {
            if let Ok(Err(Refused::Status(410))) = opened {
                running.lost.store(true, Ordering::Release);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while let Ok(Some(batch)) = tokio::time::timeout(patience, stream.next()).await {
            if running.state.lock().take(&batch).is_err() {
                running.lost.store(true, Ordering::Release);
            }
            if running.lost.load(Ordering::Acquire) {
                break;
            }
        }
    }
}

async fn renew(running: Arc<Running>, client: FeedClient) {
    loop {
        let asked_at = SystemClock.boot_now();
        let request = running.state.lock().request();
        match tokio::time::timeout(TERMS.length * 2, client.lease(&request)).await {
            Ok(Ok(grant)) => {
                if running.state.lock().granted(asked_at, grant).is_err() {
                    running.lost.store(true, Ordering::Release);
                }
            }
            Ok(Err(Refused::Status(409 | 410))) => {
                running.state.lock().give_up();
                running.lost.store(true, Ordering::Release);
            }
            Ok(Err(_)) | Err(_) => {}
        }
        tokio::time::sleep(TERMS.length / 4).await;
    }
}

/// A token that the oracle knows, and when the answer to its revocation came.
struct Known {
    api: &'static str,
    facts: TokenFacts,
    answered: AtomicU64,
}

enum Way {
    Client(u64),
    Grant(u64),
    Session(u64),
    Token(String),
    User(u64),
}

/// An API with its credentials.
#[derive(Clone, Copy)]
struct Place {
    api: &'static str,
    caller: Credentials,
}

const SECRET: &str = "a-secret-of-a-client-that-is-long-enough";

/// Who asks for tokens at all of the places.
const FEED_APP: Credentials = Credentials { client_id: "feed-app", client_secret: SECRET };

/// How many validators an API has: the server bounds the streams of one.
const VALIDATORS_PER_API: u64 = 100;

/// Makes APIs, every other one with JWTs.
async fn make_places(server: &TestServer, count: u64) -> Vec<Place> {
    let (mut document, mut allowed, mut places) = (String::new(), Vec::new(), Vec::new());
    for index in 0..count {
        let api: &'static str = format!("https://feed-{index}.example.com/").leak();
        let name: &'static str = format!("feed-{index}").leak();
        let format = if index.is_multiple_of(2) { "" } else { "token_format = \"jwt\"\n" };
        document.push_str(&format!(
            "[[api]]\naudience = {api:?}\nscopes = [\"read\"]\n{format}\n[[client]]\nclient_id = {name:?}\nclient_secret = {SECRET:?}\napi = {api:?}\n\n"
        ));
        allowed.push(format!("{api:?} = [\"read\"]"));
        places.push(Place { api, caller: Credentials { client_id: name, client_secret: SECRET } });
    }
    document.push_str(&format!(
        "[[client]]\nclient_id = {:?}\nclient_secret = {SECRET:?}\ngrant_types = [\"client_credentials\"]\nallowed = {{ {} }}\n",
        FEED_APP.client_id,
        allowed.join(", ")
    ));
    server.apply(&document).await;
    places
}

async fn prepare(server: &TestServer, place: Place, index: u64, dice: &mut Dice) -> (Known, Way) {
    let Place { api, caller } = place;
    let known = async |token: &str| Known {
        api,
        facts: facts(server, caller, token).await,
        answered: AtomicU64::new(u64::MAX),
    };
    match dice.below(8) {
        0 => {
            let name = format!("client-{index}");
            server
                .apply(&format!(
                    "[[client]]\nclient_id = {name:?}\nclient_secret = {SECRET:?}\ngrant_types = [\"client_credentials\"]\nallowed = {{ {api:?} = [\"read\"] }}\n"
                ))
                .await;
            let client = Credentials { client_id: name.leak(), client_secret: SECRET };
            let token = server.issue(client, api).await;
            (known(&token).await, Way::Client(seed::client_id(server, client).as_number()))
        }
        choice @ 1..=3 => {
            let username = format!("user-{index}").leak();
            let granted = Seed { username, ..Seed::of(FEED_APP, Some(api), "read") }.put(server).await;
            let way = match choice {
                1 => Way::Grant(granted.grant.as_number()),
                2 => Way::Session(granted.session.as_number()),
                _ => Way::User(granted.user.as_number()),
            };
            (known(&granted.access_token).await, way)
        }
        _ => {
            let token = server.issue(FEED_APP, api).await;
            (known(&token).await, Way::Token(token))
        }
    }
}

/// What the oracle saw.
#[derive(Default)]
struct Seen {
    looks: u64,
    too_late: u64,
    longest_ms: u64,
}

fn look_at(validator: &Running, known: &[Known], seen: &mut Seen) {
    for token in known.iter().filter(|token| token.api == validator.api) {
        let answered = token.answered.load(Ordering::Acquire);
        if answered == u64::MAX {
            continue;
        }
        // The instant first, then the verdict: it is what the validator would have said to a request at that instant.
        let now = SystemClock.boot_now();
        seen.looks += 1;
        if validator.state.lock().judge(&token.facts, now) != Verdict::Good {
            continue;
        }
        let after = now.since(BootInstant::from_nanoseconds(answered));
        seen.longest_ms = seen.longest_ms.max(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        seen.too_late += u64::from(after >= TERMS.wait());
    }
}

async fn watch_over(validators: Arc<Vec<Arc<Running>>>, known: Arc<Vec<Known>>, seen: Arc<Mutex<Seen>>) {
    loop {
        for validator in validators.iter() {
            look_at(validator, &known, &mut seen.lock());
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r11_v32_nobody_accepts_after_the_bound_whatever_happens_on_the_way() {
    let subscribers = number("LYDIAN_FEED_SUBSCRIBERS", 12);
    let revocations = number("LYDIAN_FEED_REVOCATIONS", 60);
    let seed = number("LYDIAN_FEED_SEED", 1);
    let mut dice = Dice(seed);
    let mut server = TestServer::start_wired(|_| {}, |_| Arc::new(SystemClock), |node| node).await;
    server.clock.set_wall(SystemClock.now());
    let places = make_places(&server, subscribers.div_ceil(VALIDATORS_PER_API).max(2)).await;
    let (mut known, mut ways) = (Vec::new(), Vec::new());
    for index in 0..revocations {
        let place = places[usize::try_from(index).expect("small") % places.len()];
        let (token, way) = prepare(&server, place, index, &mut dice).await;
        known.push(token);
        ways.push(way);
    }
    // Some live on: whoever refuses everything keeps the bound too.
    let mut living = Vec::new();
    for Place { api, caller } in places.iter().copied() {
        let token = server.issue(FEED_APP, api).await;
        living.push((api, facts(&server, caller, &token).await));
    }
    let known = Arc::new(known);
    let proxy = Proxy::start(server.address()).await;
    let mut validators = Vec::new();
    for index in 0..subscribers {
        let Place { api, caller } = places[usize::try_from(index).expect("small") % places.len()];
        let state = Mutex::new(Validator::new(u128::from(index) + 1));
        let running = Arc::new(Running { api, state, lost: AtomicBool::new(false) });
        let client = FeedClient::new(proxy.address, caller);
        tokio::spawn(follow(Arc::clone(&running), client.clone()));
        tokio::spawn(renew(Arc::clone(&running), client));
        validators.push(running);
    }
    let validators = Arc::new(validators);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let oracle = tokio::spawn(watch_over(Arc::clone(&validators), Arc::clone(&known), Arc::clone(&seen)));
    until(|| validators.iter().all(|one| one.state.lock().is_fresh(SystemClock.boot_now()))).await;

    let step = usize::try_from(revocations.div_ceil(12)).expect("small").max(1);
    let mut faults = [0_u64; 4];
    for (chunk_index, chunk) in ways.chunks(step).enumerate() {
        let fault = if chunk_index == 0 { 3 } else { dice.below(4) };
        faults[usize::try_from(fault).expect("below four")] += 1;
        match fault {
            0 => proxy.cut.send_modify(|count| *count += 1),
            1 => drop(proxy.weather.send_replace(Weather::Silent)),
            2 => drop(proxy.weather.send_replace(Weather::Slow(400))),
            _ => {
                // As after a crash: memory is gone, the store is there, and the address is another one.
                server = server.restart().await;
                proxy.target.send_replace(server.address());
                proxy.cut.send_modify(|count| *count += 1);
            }
        }
        for (index, way) in chunk.iter().enumerate() {
            revoke(&server, way).await;
            let token = &known[chunk_index * step + index];
            token.answered.store(SystemClock.boot_now().as_nanoseconds(), Ordering::Release);
        }
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        if fault == 1 {
            // Longer than a lease: the last one was made just before the silence.
            tokio::time::sleep(TERMS.wait()).await;
        }
        proxy.weather.send_replace(Weather::Fine);
    }
    // When the weather is fine again, everybody knows everything, and refuses nothing else.
    let knows_all = |one: &Arc<Running>| {
        let now = SystemClock.boot_now();
        let state = one.state.lock();
        known
            .iter()
            .filter(|token| token.api == one.api)
            .all(|token| state.judge(&token.facts, now) == Verdict::Revoked)
            && living
                .iter()
                .filter(|(api, _)| *api == one.api)
                .all(|(_, facts)| state.judge(facts, now) == Verdict::Good)
    };
    until(|| validators.iter().all(knows_all)).await;
    oracle.abort();
    let seen = seen.lock();
    println!(
        "feed: revocations={revocations} subscribers={subscribers} seed={seed} looks={} too_late={} longest_ms={} \
         cuts={} silences={} slow={} restarts={}",
        seen.looks, seen.too_late, seen.longest_ms, faults[0], faults[1], faults[2], faults[3]
    );
    assert!(
        seen.looks > 0 && seen.too_late == 0,
        "{} looks found a token good after the bound",
        seen.too_late
    );
}

async fn revoke(server: &TestServer, way: &Way) {
    match way {
        Way::Client(id) => seed::cut(server, CutKind::Client, *id).await,
        Way::Grant(id) => seed::cut(server, CutKind::Grant, *id).await,
        Way::Session(id) => seed::cut(server, CutKind::Session, *id).await,
        Way::User(id) => seed::cut(server, CutKind::User, *id).await,
        Way::Token(token) => assert_eq!(server.revoke(FEED_APP, token).await.status, 200),
    }
}

/// Waits for something that must come to be.
async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not come to be within two minutes");
}
