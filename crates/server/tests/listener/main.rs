//! The transport over real sockets: each limit and timer is provoked, and nothing else gives way.

mod http1;
mod support;
mod tls;
