//! What happened, to look at: Mermaid, SVG, HTML and Unicode text.
//!
//! Pure text in, pure text out. Whatever can come from the network goes through [`escape`] before it becomes part of a drawing.

pub mod escape;
pub mod rows;
mod state_layout;
pub mod states;
