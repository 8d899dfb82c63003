//! The only system calls and the only `unsafe`, one folder an operating system.
//!
//! What a platform has to provide, with the meaning of the named manual pages:
//!
//! * `clock`: [`clock::now`], a monotonic clock (`CLOCK_MONOTONIC`), comparable between threads.
//! * `poll`: [`poll::poll`], waiting for descriptors until a deadline, telling a signal apart from a time-out (poll(2)).
//! * `datagram`: [`datagram::recv`], [`datagram::send`], many datagrams a call (recvmmsg(2), sendmmsg(2), GSO and GRO of udp(7)).
//! * `epoll`: [`epoll::Epoll`], descriptors that a loop waits for as one (epoll(7)).
//! * `event`: [`event::Event`], what a thread signals and a driver watches (eventfd(2)).
//! * `io`: [`io::recv`], [`io::recv_append`], [`io::recv_uninit`], [`io::send`] on a descriptor that is not ours, never waiting whatever its flags say (`MSG_DONTWAIT`);
//!   [`io::recv_append_waiting`], which waits as long as `SO_RCVTIMEO` says.
//!   [`io::identity`]: which open file a descriptor names (fstat(2)).
//! * `memory`: [`memory::prefer_huge`], advice on the pages behind memory that will be filled (madvise(2));
//!   [`memory::huge_is_dear`], whether this guest's host takes free ones back.
//! * `address`, `socket`: addresses of all families, and the calls of socket(7) on them.
//! * `names`: the system's resolver, which blocks (getaddrinfo(3)).
//! * `netlink`: [`netlink::open`], [`netlink::recv`], the kernel's table of sockets (sock_diag(7)); [`netlink::interface_name`], [`netlink::interface_index`].
//! * `tcp`: [`tcp::state`], the state of a TCP socket (`TCP_INFO` of tcp(7)).
//! * `message`: datagrams with control messages, and the error queue (recvmsg(2), sendmsg(2)).
//! * `process`: [`process::generation`], whether fork(2) came in between (pthread_atfork(3)); [`process::is_main_thread`].
//! * `option`: socket options that socket2 lacks: errors queued, stamps, TTLs received, path MTU (ip(7), ipv6(7)).
//!
//! Each function is one system call (or a documented few), takes and gives Rust types, reports `std::io::Error` with
//! the errno kept, and does not retry, wait or log. What can be had from socket2 or the standard library is taken there.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub use linux::{
    address, clock, datagram, epoll, event, io, memory, message, names, netlink, option, poll, process, socket, tcp,
};

#[cfg(not(target_os = "linux"))]
compile_error!("eyesocket runs on Linux so far; src/sys/mod.rs names what another system has to provide");
