//! Linux: each file is one topic of the contract in `sys/mod.rs`.

pub mod address;
pub mod clock;
pub mod datagram;
pub mod epoll;
pub mod event;
pub mod io;
pub mod memory;
pub mod message;
pub mod names;
pub mod netlink;
pub mod option;
pub mod poll;
pub mod process;
pub mod socket;
pub mod tcp;
