//! TLS: versions, ALPN, the self-signed certificate and its files, reload.

use std::process::Command;

use crate::support::*;
use lydian_primitives::{Clock, SystemClock};
use lydian_server::tls::{TlsFiles, TlsReloader, TlsVersions, ensure_self_signed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s02_curl_trusts_the_certificate_by_its_own_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let tls = directory.path().join("tls");
    assert!(ensure_self_signed(&tls, &[], SystemClock.now()).expect("files"));
    let files = TlsFiles::in_directory(&tls);
    let reloader = TlsReloader::load(files.clone(), TlsVersions::Tls12AndTls13).expect("a certificate");
    let server = start(|settings| settings.tls = Some(reloader));
    for host in ["localhost", "127.0.0.1"] {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20", "--ipv4", "--cacert"])
            .arg(&files.certificate)
            .arg(format!("https://{host}:{}/path", server.address.port()))
            .output()
            .expect("curl is installed");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "/path",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
