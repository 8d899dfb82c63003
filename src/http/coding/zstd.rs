//! `zstd`, RFC 8878, fed to the decoder block by block.

use std::io;

use super::Progress;

/// `zstd`, RFC 8878: frames one after the other. Windows above the 8 MiB of RFC 9659 are refused.
#[derive(Default)]
pub struct Zstd {
    /// At most a block and what follows it: the decoder wants blocks whole.
    input: Vec<u8>,
    frame: Option<Frame>,
    skip: u64,
    frames: u64,
}

struct Frame {
    decoder: Box<ruzstd::decoding::FrameDecoder>,
    checksum: bool,
}

const ZSTD_WINDOW: u64 = 8 * 1024 * 1024;
/// A block has at most 128 KiB, its header 3 bytes, the checksum behind the last one 4.
const ZSTD_INPUT: usize = 128 * 1024 + 64;

impl Zstd {
    /// Whether nothing has come.
    pub fn untouched(&self) -> bool {
        self.frames == 0 && self.input.is_empty()
    }

    /// Whether nothing but whole frames has come.
    pub fn complete(&self) -> bool {
        self.frames > 0 && self.input.is_empty() && self.frame.is_none() && self.skip == 0
    }

    pub fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, String> {
        let took = input.len().min(ZSTD_INPUT.saturating_sub(self.input.len()));
        self.input.extend_from_slice(&input[..took]);
        loop {
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(self.input.len());
            self.input.drain(..skipped);
            self.skip -= skipped as u64;
            let Some(frame) = &mut self.frame else {
                if self.skip > 0 || !self.begin()? {
                    return Ok(Progress { took, gave: 0 });
                }
                continue;
            };
            let gave = io::Read::read(&mut *frame.decoder, output).map_err(|error| error.to_string())?;
            if gave > 0 {
                return Ok(Progress { took, gave });
            }
            if frame.decoder.is_finished() {
                if frame.checksum && frame.decoder.get_checksum_from_data() != frame.decoder.get_calculated_checksum() {
                    return Err("the checksum is wrong".to_owned());
                }
                self.frame = None;
                continue;
            }
            let Some(length) = zstd_block(&self.input, frame.checksum) else {
                return Ok(Progress { took, gave: 0 });
            };
            let mut source = &self.input[..length];
            let one = ruzstd::decoding::BlockDecodingStrategy::UptoBlocks(1);
            frame.decoder.decode_blocks(&mut source, one).map_err(|error| error.to_string())?;
            self.input.drain(..length);
        }
    }

    /// Reads the header of the next frame; false if it is not all there.
    fn begin(&mut self) -> Result<bool, String> {
        let wrong = || "it does not begin with a frame".to_owned();
        let bytes = &self.input;
        match **bytes {
            [] => Ok(false),
            [kind, ..] if kind & 0xf0 == 0x50 => {
                let [_, 0x2a, 0x4d, 0x18, a, b, c, d, ..] = **bytes else {
                    let expected = [kind, 0x2a, 0x4d, 0x18];
                    let seen = bytes.len().min(4);
                    return if bytes[..seen] == expected[..seen] { Ok(false) } else { Err(wrong()) };
                };
                self.skip = u64::from(u32::from_le_bytes([a, b, c, d])) + 8;
                self.frames += 1;
                Ok(true)
            }
            _ => {
                let magic = [0x28, 0xb5, 0x2f, 0xfd];
                let seen = bytes.len().min(4);
                if bytes[..seen] != magic[..seen] {
                    return Err(wrong());
                }
                let Some(descriptor) = bytes.get(4) else { return Ok(false) };
                let single = descriptor & 0x20 != 0;
                let size = match descriptor >> 6 {
                    0 => usize::from(single),
                    1 => 2,
                    2 => 4,
                    _ => 8,
                };
                let length = 5 + usize::from(!single) + [0, 1, 2, 4][usize::from(descriptor & 3)] + size;
                if bytes.len() < length {
                    return Ok(false);
                }
                let checksum = descriptor & 4 != 0;
                let mut decoder = Box::new(ruzstd::decoding::FrameDecoder::new());
                decoder.set_max_window_size(ZSTD_WINDOW);
                decoder.reset(&bytes[..length]).map_err(|error| error.to_string())?;
                self.input.drain(..length);
                self.frame = Some(Frame { decoder, checksum });
                self.frames += 1;
                Ok(true)
            }
        }
    }
}

/// The length of the block at the start of `bytes`, with the checksum that follows the last one, if all of it is there
/// (RFC 8878 section 3.1.1.2). A size that is not allowed is left to the decoder to refuse.
fn zstd_block(bytes: &[u8], checksum: bool) -> Option<usize> {
    let [a, b, c, ..] = *bytes else { return None };
    let header = u32::from_le_bytes([a, b, c, 0]);
    let (last, kind, size) = (header & 1 == 1, header >> 1 & 3, (header >> 3) as usize);
    let content = if kind == 1 { 1 } else { size.min(ZSTD_INPUT - 7) };
    let length = 3 + content + if last && checksum { 4 } else { 0 };
    (bytes.len() >= length).then_some(length)
}
