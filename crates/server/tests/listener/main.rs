//! The transport over real sockets: each limit and timer is provoked, and nothing else gives way.

mod drain;
mod http1;
mod http2;
mod starvation;
mod support;
mod tls;
mod tls_support;
