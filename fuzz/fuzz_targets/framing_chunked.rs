#![no_main]

use eyesocket_fuzz::framing::{Which, decode};

libfuzzer_sys::fuzz_target!(|data: &[u8]| decode(Which::Chunked, data));
