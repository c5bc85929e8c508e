//! What `lydian doctor` finds around the service: the data directory, its file system, the certificate.

use std::path::Path;

use lydian_primitives::Timestamp;
use lydian_service::administration::examination::Finding;

use crate::tls::{self, TlsFiles};

/// Below this much free space somebody should look, in bytes.
const FREE_BYTES_WARNING: u64 = 1024 * 1024 * 1024;
/// Below this much free space writes are about to fail, in bytes.
const FREE_BYTES_FAILURE: u64 = 64 * 1024 * 1024;

/// Days before the end of a certificate at which somebody should look. Our own is renewed before.
const CERTIFICATE_DAYS_WARNING: u64 = 14;

/// Looks at the file system of the data directory, and at the certificate.
pub(crate) fn examine(directory: &Path, certificate: Option<&TlsFiles>, now: Timestamp) -> Vec<Finding> {
    let mut findings = vec![examine_space(directory)];
    findings.extend(certificate.map(|files| examine_certificate(files, now)));
    findings
}

fn examine_space(directory: &Path) -> Finding {
    let subject = "data directory";
    match rustix::fs::statvfs(directory) {
        Err(error) => {
            Finding::failure(subject, format!("{}: {error}", directory.display()), "see that it can be read")
        }
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let text = format!("{}, {} MiB free", directory.display(), free / (1024 * 1024));
            if free < FREE_BYTES_FAILURE {
                Finding::failure(
                    subject,
                    text,
                    "free space now: without it nothing can be written, and revocations are refused",
                )
            } else if free < FREE_BYTES_WARNING {
                Finding::warning(
                    subject,
                    text,
                    "free space, or move the data directory to a larger file system",
                )
            } else {
                Finding::well(subject, text)
            }
        }
    }
}

fn examine_certificate(files: &TlsFiles, now: Timestamp) -> Finding {
    let subject = "certificate";
    let place = files.certificate.display();
    let soon = now.plus_seconds(CERTIFICATE_DAYS_WARNING * 86_400);
    let remedy = "put a new certificate and key there and send SIGHUP; one that we made is renewed by itself while the server runs";
    match (tls::is_valid_at(files, now), tls::is_valid_at(files, soon)) {
        (Err(error), _) | (_, Err(error)) => Finding::failure(subject, error.to_string(), remedy),
        (Ok(false), _) => Finding::failure(subject, format!("{place} is not valid now"), remedy),
        (Ok(true), Ok(false)) => {
            Finding::warning(subject, format!("{place} ends within {CERTIFICATE_DAYS_WARNING} days"), remedy)
        }
        (Ok(true), Ok(true)) => Finding::well(subject, format!("{place} is valid")),
    }
}
