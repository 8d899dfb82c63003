//! Messages over streams: codecs that turn frames into bytes and bytes into frames, wherever the stream was cut.
//!
//! Lives here: the formats ([`codec::Codec`] and a file a family) and the [`decoder::Decoder`] that holds what came.
//! May not live here: a socket, a clock, Python. A frame over its limit is found before memory is taken for it, what
//! comes out does not depend on how the bytes were cut, and the cost is linear down to one byte at a time.

pub mod chunked;
pub mod cobs;
pub mod codec;
pub mod decoder;
pub mod delimited;
pub mod length;
pub mod netstring;
mod parser;
pub mod raw;
pub mod scan;
pub mod slip;
pub mod tlv;
pub mod varint;
