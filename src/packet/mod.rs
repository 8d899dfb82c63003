//! Packets: bytes in, values out, and back. Header fields are read and written with `pnet_packet`.
//!
//! Lives here: checked views and builders, the Internet checksum, ICMP's names, one-line texts. May not live here: a
//! socket, a clock, a protocol's behaviour. Every reader takes any bytes whatever and never panics.

pub mod checksum;
pub mod extension;
pub mod icmp;
pub mod ip;
pub mod names;
pub mod pretty;
pub mod transport;
