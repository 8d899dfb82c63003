#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| eyesocket_fuzz::framing::round(data));
