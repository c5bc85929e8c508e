//! HTTP/2 used against the server (R25): each flood of frames must end in GOAWAY and cost the others nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use crate::run::{Options, Report, Size, progress};

use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, frame, long_string, read_frame, request_fields,
};
use super::good_client::{GoodClient, millis};
use super::process::{self, MemoryWatch, mebibytes};
use super::stage::{Stage, Target, attacker_address};

/// Requests per second of the good client.
const PER_SECOND: u32 = 200;
/// How often an attacker repeats itself, if it is let.
const REPETITIONS: u32 = 100_000;
/// Bytes that are written in one piece.
const PIECE_BYTES: usize = 16 * 1024;
/// How long a flood may last before the attacker gives up.
const FLOOD_TIME_MAX: Duration = Duration::from_secs(60);
/// How long after GOAWAY the connection may stay open.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(5);
/// Good requests go on at least for so long beside a flood that ends at once.
const BESIDE_MIN: Duration = Duration::from_secs(1);
/// When the server must be at rest after a flood, and for how long it is watched then.
const REST_AFTER: Duration = Duration::from_secs(1);
const REST_WATCHED: Duration = Duration::from_millis(500);
/// The largest share of a core of a server at rest.
const CPU_SHARE_MAX: f64 = 0.1;
/// The largest resident memory: the server lives in 256 MiB whatever comes (R6).
const MEMORY_MAX: u64 = 256 * 1024 * 1024;

/// A way to use HTTP/2 against the server.
struct Flood {
    name: &'static str,
    /// What is sent first, after preface and settings.
    first: fn() -> Vec<u8>,
    /// What is sent again and again; the number counts from 0.
    again: fn(u32) -> Vec<u8>,
}

const FLOODS: &[Flood] = &[
    Flood {
        name: "rapid reset (CVE-2023-44487)",
        first: Vec::new,
        again: |number| [post(number), frame(RST_STREAM, 0, stream(number), &8_u32.to_be_bytes())].concat(),
    },
    Flood {
        name: "made you reset: window overflow (CVE-2025-8671)",
        first: Vec::new,
        again: |number| {
            [get(number), frame(WINDOW_UPDATE, 0, stream(number), &[0x7f, 0xff, 0xff, 0xff])].concat()
        },
    },
    Flood {
        name: "made you reset: window update of nothing",
        first: Vec::new,
        again: |number| [get(number), frame(WINDOW_UPDATE, 0, stream(number), &[0; 4])].concat(),
    },
    Flood {
        name: "made you reset: data after the end",
        first: Vec::new,
        again: |number| [get(number), frame(DATA, 0, stream(number), b"x")].concat(),
    },
    Flood {
        name: "made you reset: priority on itself",
        first: Vec::new,
        again: |number| {
            let own = stream(number).to_be_bytes();
            [get(number), frame(PRIORITY, 0, stream(number), &[own[0], own[1], own[2], own[3], 1])].concat()
        },
    },
    Flood {
        name: "made you reset: priority of a wrong length",
        first: Vec::new,
        again: |number| [get(number), frame(PRIORITY, 0, stream(number), &[0; 4])].concat(),
    },
    Flood {
        name: "continuation",
        first: || frame(HEADERS, END_STREAM, 1, &request_fields(false, "/")),
        again: |_| frame(CONTINUATION, 0, 1, &[&[0, 1, b'a'][..], &long_string(900)].concat()),
    },
    Flood {
        name: "continuation of nothing",
        first: || frame(HEADERS, END_STREAM, 1, &request_fields(false, "/")),
        again: |_| frame(CONTINUATION, 0, 1, &[]),
    },
    Flood {
        name: "settings",
        first: Vec::new,
        // SETTINGS_INITIAL_WINDOW_SIZE.
        again: |number| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, (number >> 8) as u8, number as u8]),
    },
    Flood { name: "settings of nothing", first: Vec::new, again: |_| frame(SETTINGS, 0, 0, &[]) },
    Flood {
        name: "ping",
        first: Vec::new,
        again: |number| frame(PING, 0, 0, &u64::from(number).to_be_bytes()),
    },
    Flood {
        name: "window update of the connection",
        first: Vec::new,
        again: |_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
    },
    Flood {
        name: "window update of a stream",
        first: || frame(HEADERS, END_HEADERS, 1, &request_fields(true, "/oauth2/introspect")),
        again: |_| frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes()),
    },
    Flood {
        name: "priority",
        first: Vec::new,
        again: |number| frame(PRIORITY, 0, 2 * (number % 1_000) + 3, &[0, 0, 0, 1, 1]),
    },
    Flood {
        name: "data of nothing",
        first: || frame(HEADERS, END_HEADERS, 1, &request_fields(true, "/oauth2/introspect")),
        again: |_| frame(DATA, 0, 1, &[]),
    },
    Flood { name: "frames of an unknown type", first: Vec::new, again: |_| frame(0xfa, 0, 0, &[]) },
    Flood {
        name: "HPACK bomb",
        // An entry of the dynamic table with a value of 3,900 bytes.
        first: || {
            let entry = [&[0x40, 1, b'a'][..], &long_string(3_900)].concat();
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[request_fields(false, "/"), entry].concat())
        },
        // Each byte is that entry once more: 16,000 bytes stand for 62 MB.
        again: |number| {
            let bomb = [request_fields(false, "/"), vec![0xbe; 16_000]].concat();
            frame(HEADERS, END_HEADERS | END_STREAM, stream(number) + 2, &bomb)
        },
    },
];

/// The stream of a repetition: clients open odd ones.
fn stream(number: u32) -> u32 {
    2 * number + 1
}

fn get(number: u32) -> Vec<u8> {
    let fields = request_fields(false, "/.well-known/oauth-authorization-server");
    frame(HEADERS, END_HEADERS | END_STREAM, stream(number), &fields)
}

fn post(number: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream(number), &request_fields(true, "/oauth2/introspect"))
}

/// How a flood ended.
#[derive(Debug)]
struct Ended {
    /// The error code of GOAWAY.
    goaway: Option<u32>,
    is_closed: bool,
    repetitions: u64,
    took: Duration,
}

pub(crate) fn run(options: &Options) -> Result<Report> {
    let mut report = Report::default();
    let (before_for, p99_floor) = match options.size {
        Size::Full => (Duration::from_secs(20), Duration::from_millis(5)),
        // The machine of the gate may be busy with other things: only what stands still is found.
        Size::Gate => (Duration::from_secs(3), Duration::from_secs(10)),
    };
    let stage = Stage::start()?;
    let runtime = process::background_runtime(1)?;
    let before = GoodClient::measure(&stage.target, PER_SECOND, before_for)?;
    report.figure("good client before", before.summary());
    let allowed = (before.p99() * 3).max(p99_floor);
    let watch = MemoryWatch::begin(stage.server.id());

    let chosen = |flood: &&Flood| options.only.as_ref().is_none_or(|only| flood.name.contains(only.as_str()));
    let floods: Vec<&Flood> = FLOODS.iter().filter(chosen).collect();
    let rounds = options.rounds(1, 20);
    let bar = progress("floods of HTTP/2", rounds * floods.len() as u64);
    for flood in floods {
        for number in 0..rounds {
            let name = if rounds == 1 { flood.name.to_owned() } else { format!("{}, {number}", flood.name) };
            round(&stage, &runtime, flood, &name, allowed, &mut report).with_context(|| name.clone())?;
            bar.inc(1);
        }
    }
    let peak = watch.peak()?;
    report.figure("memory at most", mebibytes(peak));
    if peak > MEMORY_MAX {
        report.violations.push(format!("the server took {}", mebibytes(peak)));
    }
    Ok(report)
}

fn round(
    stage: &Stage,
    runtime: &Runtime,
    flood: &'static Flood,
    name: &str,
    p99_max: Duration,
    report: &mut Report,
) -> Result<()> {
    let (target, id) = (&stage.target, stage.server.id());
    let good = GoodClient::begin(target, PER_SECOND);
    let began = Instant::now();
    let cpu_before = process::cpu_seconds(id)?;
    let ended = runtime.block_on(attack(target, flood))?;
    let cpu_spent = process::cpu_seconds(id)? - cpu_before;
    std::thread::sleep(BESIDE_MIN.saturating_sub(began.elapsed()));
    let beside = good.finish()?;
    std::thread::sleep(REST_AFTER);
    let cpu_share = process::cpu_share(id, REST_WATCHED)?;

    let reason = ended.goaway.map_or("none".to_owned(), |code| code.to_string());
    report.figure(
        name,
        format!(
            "GOAWAY {reason} after {} of {REPETITIONS} in {:.2?}, {cpu_spent:.2} s of processor; beside it {} requests, p99 {}; \
             {:.0} % of a core later",
            ended.repetitions,
            ended.took,
            beside.requests(),
            millis(beside.p99()),
            cpu_share * 100.0
        ),
    );
    let mut violations = Vec::new();
    if ended.goaway.is_none() {
        violations.push("no GOAWAY came".to_owned());
    }
    if !ended.is_closed {
        violations.push("the connection was not closed".to_owned());
    }
    if cpu_share > CPU_SHARE_MAX {
        violations.push(format!("a second later the server still took {:.0} % of a core", cpu_share * 100.0));
    }
    if beside.errors > 0 {
        violations.push(format!("{} good requests failed: {}", beside.errors, beside.reasons.join("; ")));
    }
    if beside.p99() > p99_max {
        let (was, limit) = (millis(beside.p99()), millis(p99_max));
        violations.push(format!("the good client's p99 was {was}, more than {limit}"));
    }
    report.violations.extend(violations.into_iter().map(|violation| format!("{name}: {violation}")));
    Ok(())
}

/// Sends frames while the server lets it, and reads what comes back.
async fn attack(target: &Arc<Target>, flood: &'static Flood) -> Result<Ended> {
    let mut stream = target.speak_http2(target.tcp(attacker_address(0), None).await?).await?;
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(SETTINGS, ACK, 0, &[])].concat()).await?;
    stream.flush().await?;
    if read_frame(&mut stream).await?.kind != SETTINGS {
        bail!("the server's first frame is not SETTINGS");
    }

    let (mut reading, mut writing) = tokio::io::split(stream);
    let sent = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let flooding = tokio::spawn({
        let sent = Arc::clone(&sent);
        async move {
            let mut piece = (flood.first)();
            for number in 0..REPETITIONS {
                piece.extend((flood.again)(number));
                if piece.len() >= PIECE_BYTES || number + 1 == REPETITIONS {
                    if writing.write_all(&piece).await.is_err() || writing.flush().await.is_err() {
                        return;
                    }
                    sent.store(u64::from(number) + 1, Ordering::Relaxed);
                    piece.clear();
                }
            }
            // The server has its say until the end.
            std::future::pending::<()>().await;
        }
    });
    let mut goaway = None;
    let watching = async {
        while let Ok(received) = read_frame(&mut reading).await {
            if received.kind == GOAWAY {
                let code = received.payload.get(4..8).and_then(|code| code.try_into().ok());
                goaway = code.map(u32::from_be_bytes);
                return true;
            }
            // The flood was taken: what follows can be answers, but no GOAWAY.
            if sent.load(Ordering::Relaxed) == u64::from(REPETITIONS) && began.elapsed() > CLOSE_TIME_MAX {
                return false;
            }
        }
        true
    };
    let patience = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if sent.load(Ordering::Relaxed) == u64::from(REPETITIONS) {
                // All was sent: the last of it is being looked at.
                tokio::time::sleep(CLOSE_TIME_MAX).await;
                return;
            }
            if began.elapsed() > FLOOD_TIME_MAX {
                return;
            }
        }
    };
    let mut is_closed = tokio::select! { biased; closed = watching => closed, () = patience => false };
    let took = began.elapsed();
    if is_closed {
        let mut rest = vec![0; PIECE_BYTES];
        let end = async { while reading.read(&mut rest).await.is_ok_and(|length| length > 0) {} };
        is_closed = tokio::time::timeout(CLOSE_TIME_MAX, end).await.is_ok();
    }
    flooding.abort();
    Ok(Ended { goaway, is_closed, repetitions: sent.load(Ordering::Relaxed), took })
}
