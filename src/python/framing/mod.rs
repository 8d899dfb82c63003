//! `eyesocket.framing`: codecs, decoders and framed sockets.

use pyo3::prelude::*;

mod codec;
mod connect;
mod datagrams;
mod decoder;
mod end;
mod face;
mod inbox;
mod joined;
mod read_room;
mod receiving;
mod receiving_into;
mod responder;
mod sending;
mod socket;
mod transport;

/// Adds this topic to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<codec::Codec>()?;
    module.add_class::<decoder::Decoder>()?;
    module.add_class::<responder::Responder>()?;
    module.add_class::<read_room::ReadRoom>()?;
    module.add_class::<socket::FramedSocket>()?;
    module.add_class::<datagrams::DatagramBatch>()?;
    module.add_class::<joined::Joined>()?;
    connect::register(module)
}
