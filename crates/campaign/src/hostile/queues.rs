//! What waits in the kernel on a connection of this machine (sock_diag(7)).
//!
//! `/proc/net/tcp` says the same, but the kernel walks through all its tables for each look.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail};
use socket2::{Domain, Protocol, Socket, Type};

const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;
/// Where the two queues stand in an answer: behind a netlink head, four bytes, the name of the socket, and a time.
const QUEUES_AT: usize = 16 + 4 + 48 + 4;

/// A way to ask the kernel.
pub(super) struct Queues(Socket);

/// Bytes that wait on one end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// Received, and not read by the process.
    pub(super) unread: u32,
    /// Written by the process, and not confirmed by the other end.
    pub(super) unconfirmed: u32,
}

impl Queues {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// When the kernel has no such thing.
    pub(super) fn open() -> Result<Self> {
        let kind = Some(Protocol::from(NETLINK_SOCK_DIAG));
        Ok(Self(
            Socket::new(Domain::from(AF_NETLINK), Type::DGRAM, kind).context("ask the kernel for queues")?,
        ))
    }

    /// What waits on the end of the connection that has the address `local`; `None` if there is no such end any more.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer as documented.
    pub(super) fn of(&self, local: SocketAddr, remote: SocketAddr) -> Result<Option<Waiting>> {
        let (mut socket, mut answer) = (&self.0, [0; 1024]);
        socket.write_all(&request(local, remote)?).context("ask the kernel for queues")?;
        let length = socket.read(&mut answer).context("read the kernel's answer")?;
        let answer = &answer[..length];
        let word = |at: usize| {
            let bytes = answer.get(at..at + 4).context("the kernel's answer is whole")?;
            anyhow::Ok(u32::from_ne_bytes(bytes.try_into()?))
        };
        if u16::from_ne_bytes([answer[4], answer[5]]) != SOCK_DIAG_BY_FAMILY {
            return Ok(None);
        }
        Ok(Some(Waiting { unread: word(QUEUES_AT)?, unconfirmed: word(QUEUES_AT + 4)? }))
    }
}

/// The question about one socket: a netlink head and an `inet_diag_req_v2`.
fn request(local: SocketAddr, remote: SocketAddr) -> Result<Vec<u8>> {
    let mut body = vec![AF_INET, IPPROTO_TCP, 0, 0];
    let all_states = u32::MAX;
    body.extend(all_states.to_ne_bytes());
    body.extend(local.port().to_be_bytes());
    body.extend(remote.port().to_be_bytes());
    for address in [local, remote] {
        let IpAddr::V4(address) = address.ip() else { bail!("{address} is no IPv4 address") };
        body.extend(address.octets());
        body.extend([0; 12]);
    }
    let any_interface = 0_u32;
    body.extend(any_interface.to_ne_bytes());
    let no_cookie = [0xff; 8];
    body.extend(no_cookie);

    let length = u32::try_from(16 + body.len())?;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    let (sequence, port) = (0_u32, 0_u32);
    message.extend(sequence.to_ne_bytes());
    message.extend(port.to_ne_bytes());
    message.extend(body);
    Ok(message)
}
