//! The address of the client: the other end of the connection, or what a trusted proxy says of it.

use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderMap;

/// A network of addresses, such as `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether an address lies in it. An IPv4 address in IPv6 clothes counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                shared_bits(network.to_bits().into(), address.to_bits().into(), 32) >= u32::from(self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                shared_bits(network.to_bits(), address.to_bits(), 128) >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

/// How many of the first bits are equal.
fn shared_bits(one: u128, other: u128, width: u32) -> u32 {
    (one ^ other).leading_zeros() - (128 - width)
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FAULT: &str = "it is an address such as 10.0.0.1 or a network such as 10.0.0.0/8";
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| FAULT)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| FAULT)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(width);
        // The bits that an IPv4 address in IPv6 clothes has before its own are taken off with the clothes.
        let canonical = address.to_canonical();
        let clothes = if canonical.is_ipv4() { width - 32 } else { 0 };
        match prefix.checked_sub(clothes) {
            Some(prefix) if prefix <= width - clothes => Ok(Self { address: canonical, prefix }),
            _ => Err(FAULT),
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The address that limits are counted for.
///
/// `X-Forwarded-For` is believed from listed proxies only, and read from its end: the first address that is no listed proxy is the
/// client. What stands before it was written by the client itself.
pub fn of(headers: &HeaderMap, peer: IpAddr, trusted_proxies: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted_proxies.iter().any(|network| network.contains(address));
    let mut client = peer;
    if trusted_proxies.is_empty() || !is_trusted(peer) {
        return client;
    }
    let values: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    for hop in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        let Ok(address) = hop.trim().parse::<IpAddr>() else {
            return client;
        };
        client = address;
        if !is_trusted(address) {
            return client;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let trusted: Vec<Network> =
            ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"].iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        assert_eq!(of(&headers, peer.parse().unwrap(), &trusted), expected.parse::<IpAddr>().unwrap());
    }

    #[test]
    fn gen_14_forwarded_addresses_are_believed_from_listed_proxies_only() {
        check("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        check("127.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("::ffff:127.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("2001:db8::1", &["198.51.100.7"], "198.51.100.7");
        check("127.0.0.1", &[], "127.0.0.1");
    }

    #[test]
    fn gen_14_what_the_client_wrote_itself_is_not_believed() {
        check("127.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7");
        check("127.0.0.1", &["203.0.113.9", "198.51.100.7, 10.1.2.3"], "198.51.100.7");
        check("127.0.0.1", &["nonsense"], "127.0.0.1");
        check("127.0.0.1", &["198.51.100.7, nonsense"], "127.0.0.1");
    }

    #[test]
    fn gen_14_a_network_of_ipv4_addresses_in_ipv6_clothes_is_one_of_ipv4_addresses() {
        for (text, printed) in [("::ffff:10.0.0.0/104", "10.0.0.0/8"), ("::ffff:10.1.2.3", "10.1.2.3/32")] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), printed);
            assert!(network.contains("10.1.2.3".parse().unwrap()));
            assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()));
        }
    }

    #[test]
    fn networks_are_read_strictly() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "a/8", "10.0.0/8", "::ffff:10.0.0.0/95"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("192.0.2.1".parse().unwrap()));
        assert!(!all.contains("::1".parse().unwrap()));
    }
}
