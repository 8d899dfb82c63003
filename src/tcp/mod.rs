//! TCP as RFC 9293 states it: the eleven states, and the one table of what moves a connection from one to another.
//!
//! Lives here: [`State`], [`transitions`] with the code that applies them. May not live here: a socket, a clock, a
//! transition that is not a row of the table. Drawings and tests are made from the table.

pub mod state;
pub mod transitions;

pub use state::State;
