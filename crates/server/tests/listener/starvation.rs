//! A process that may open no more files.

use std::fs::File;
use std::process::Command;

use lydian_server::listener::connections_that_fit;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::net::TcpSocket;
use tokio::time::Instant;

use crate::support::*;

const FILES_MAX: u64 = 128;
/// Set in the process that starves: the limit holds for a whole process.
const MARK: &str = "LYDIAN_TEST_MAY_STARVE";

#[test]
fn r05_a_listener_without_files_neither_ends_nor_spins_and_recovers() {
    if std::env::var_os(MARK).is_none() {
        let output = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "starvation::r05_a_listener_without_files_neither_ends_nor_spins_and_recovers"])
            .args(["--nocapture"])
            .env(MARK, "1")
            .output()
            .expect("this test starts again");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}{output:?}");
        return;
    }
    let limit = Rlimit { current: Some(FILES_MAX), maximum: Some(FILES_MAX) };
    setrlimit(Resource::Nofile, limit).expect("a limit can be lowered");
    assert_eq!(connections_that_fit(100), 28);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(starve());
}

async fn starve() {
    let server = start(|_| {});
    assert_eq!(server.connect().await.get("/before").await.status(), 200);
    eventually(|| server.metrics.open.value() == 0).await;

    let socket = TcpSocket::new_v4().expect("the last file");
    let hoard: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let mut client = Client(socket.connect(server.address).await.expect("the kernel accepts"));
    client.send(get("/after")).await;

    let (cpu_before, began) = (cpu_seconds(), Instant::now());
    eventually(|| server.metrics.accept_failures.value() >= 20).await;
    let share = (cpu_seconds() - cpu_before) / began.elapsed().as_secs_f64();
    assert!(share < 0.2, "the loop takes {share} of a core");

    drop(hoard);
    assert_eq!(client.answer().await.body, "/after");
    assert_eq!(server.metrics.accepted.value(), 2);
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
