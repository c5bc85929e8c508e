//! How many connections may be open, in all and per client address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use rustix::process::{Resource, getrlimit};
use tracing::warn;

/// Files that are kept for the store, the logs and the listening sockets.
const FILES_RESERVED: usize = 64;

/// Whom a connection counts for.
///
/// A household or a rented machine owns a whole /64, so an IPv6 address counts with its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    V4(Ipv4Addr),
    V6Network(u64),
}

/// Why a connection is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    AddressFull,
    Full,
}

/// The count of the open connections.
#[derive(Debug)]
pub(super) struct Admission {
    connections_max: usize,
    per_address_max: usize,
    open: AtomicUsize,
    by_source: Mutex<HashMap<Source, usize>>,
}

/// How many connections fit beside `reserved` other open files (RLIMIT_NOFILE).
pub fn connections_that_fit(reserved: usize) -> usize {
    let files_max = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files_max).unwrap_or(usize::MAX).saturating_sub(reserved).max(1)
}

impl Source {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6Network((address.to_bits() >> 64) as u64),
        }
    }
}

impl Admission {
    pub(super) fn new(connections_max: usize, per_address_max: usize) -> Self {
        let fitting = connections_that_fit(FILES_RESERVED);
        if fitting < connections_max {
            warn!(
                wanted = connections_max,
                fitting, "fewer connections than configured: open files are limited"
            );
        }
        Self {
            connections_max: connections_max.min(fitting),
            per_address_max,
            open: AtomicUsize::new(0),
            by_source: Mutex::new(HashMap::new()),
        }
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(super) fn admit(&self, source: Source) -> Result<(), Refused> {
        let mut by_source = self.by_source.lock();
        if self.open() >= self.connections_max {
            return Err(Refused::Full);
        }
        let of_source = by_source.get(&source).copied().unwrap_or(0);
        if of_source >= self.per_address_max {
            return Err(Refused::AddressFull);
        }
        by_source.insert(source, of_source + 1);
        self.open.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    pub(super) fn leave(&self, source: Source) {
        let mut by_source = self.by_source.lock();
        if let Some(of_source) = by_source.get_mut(&source) {
            *of_source -= 1;
            if *of_source == 0 {
                by_source.remove(&source);
            }
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: &str) -> Source {
        Source::of(address.parse().expect("an address"))
    }

    #[test]
    fn s25_connections_are_limited_per_address_and_in_all() {
        let admission = Admission::new(3, 2);
        let (first, second) = (source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(admission.admit(first), Ok(()));
        assert_eq!(admission.admit(first), Ok(()));
        assert_eq!(admission.admit(first), Err(Refused::AddressFull));
        assert_eq!(admission.admit(second), Ok(()));
        assert_eq!(admission.admit(second), Err(Refused::Full));
        admission.leave(first);
        assert_eq!(admission.admit(first), Ok(()));
        assert_eq!(admission.open(), 3);
    }

    #[test]
    fn s25_the_addresses_of_one_ipv6_network_count_together() {
        assert_eq!(source("2001:db8:0:1::1"), source("2001:db8:0:1:ffff::2"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }

    #[test]
    fn sources_without_connections_take_no_memory() {
        let admission = Admission::new(3, 2);
        admission.admit(source("192.0.2.1")).expect("room");
        admission.leave(source("192.0.2.1"));
        assert!(admission.by_source.lock().is_empty());
    }
}
