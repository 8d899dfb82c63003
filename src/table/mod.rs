//! Socket tables: the kernel's sockets as rows, what ss(8) and netstat(8) print.
//!
//! Lives here: the row ([`row`]), sets of states ([`states`]), the filter language ([`filter`]), the messages of sock_diag(7) ([`netlink`]).
//! May not live here: a socket; bytes come as arguments and go as results. The asking is done in `net::diag`.

pub mod filter;
pub mod netlink;
pub mod row;
pub mod selection;
pub mod states;
pub mod text;

pub use filter::Filter;
pub use row::{Protocol, Row, Timer, TimerKind};
pub use selection::Selection;
pub use states::StateSet;
