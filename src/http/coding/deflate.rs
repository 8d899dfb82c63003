//! `gzip` and `deflate` (RFC 1952, 1950, 1951): the framing is ours, the inflating is flate2's.

use flate2::{Decompress, FlushDecompress, Status};

use super::Progress;

/// gzip, RFC 1952: members one after the other.
pub struct Gzip {
    part: GzipPart,
    header: Vec<u8>,
    inflate: Decompress,
    crc: flate2::Crc,
    members: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GzipPart {
    Header,
    Data,
    Trailer,
    Between,
}

impl Default for Gzip {
    fn default() -> Self {
        Self {
            part: GzipPart::Header,
            header: Vec::new(),
            inflate: Decompress::new(false),
            crc: flate2::Crc::new(),
            members: 0,
        }
    }
}

/// What the optional parts of a gzip header may cost.
const GZIP_HEADER: usize = 64 * 1024;

impl Gzip {
    /// Whether nothing but whole members has come.
    pub fn complete(&self) -> bool {
        matches!(self.part, GzipPart::Between) && self.members > 0
    }

    /// Whether nothing has come.
    pub fn untouched(&self) -> bool {
        self.members == 0 && self.header.is_empty()
    }

    pub fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, String> {
        match self.part {
            GzipPart::Between => {
                // Padding of zeros after a member is what some writers leave (as gzip(1) takes it).
                let zeros = input.iter().take_while(|byte| **byte == 0).count();
                if zeros < input.len() {
                    self.part = GzipPart::Header;
                }
                // Entering the next header is progress without bytes: go on at once.
                if zeros == 0 && !input.is_empty() {
                    return self.step(input, output);
                }
                Ok(Progress { took: zeros, gave: 0 })
            }
            GzipPart::Header => {
                let had = self.header.len();
                self.header.extend_from_slice(&input[..input.len().min(GZIP_HEADER)]);
                match gzip_header(&self.header)? {
                    Some(length) => {
                        self.header.clear();
                        self.part = GzipPart::Data;
                        self.members += 1;
                        self.crc.reset();
                        self.inflate.reset(false);
                        Ok(Progress { took: length - had, gave: 0 })
                    }
                    None if self.header.len() > GZIP_HEADER => Err("the header does not end".to_owned()),
                    None => Ok(Progress { took: self.header.len() - had, gave: 0 }),
                }
            }
            GzipPart::Data => {
                let (progress, ended) = inflate(&mut self.inflate, input, output)?;
                self.crc.update(&output[..progress.gave]);
                if ended {
                    self.part = GzipPart::Trailer;
                }
                Ok(progress)
            }
            GzipPart::Trailer => {
                let take = input.len().min(8 - self.header.len());
                self.header.extend_from_slice(&input[..take]);
                if let [a, b, c, d, e, f, g, h] = *self.header {
                    let (sum, length) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
                    if sum != self.crc.sum() || length != self.crc.amount() {
                        return Err("the checksum is wrong".to_owned());
                    }
                    self.header.clear();
                    self.part = GzipPart::Between;
                }
                Ok(Progress { took: take, gave: 0 })
            }
        }
    }
}

/// The length of a complete gzip header at the start of `bytes` (RFC 1952 section 2.3).
fn gzip_header(bytes: &[u8]) -> Result<Option<usize>, String> {
    let magic = [0x1f, 0x8b, 8];
    let seen = bytes.len().min(3);
    if bytes[..seen] != magic[..seen] {
        return Err("it does not begin with 1f 8b 08".to_owned());
    }
    if bytes.len() < 10 {
        return Ok(None);
    }
    let flags = bytes[3];
    let mut at = 10;
    if flags & 4 != 0 {
        let Some([low, high]) = bytes.get(at..at + 2) else { return Ok(None) };
        at += 2 + usize::from(u16::from_le_bytes([*low, *high]));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let Some(end) = bytes.get(at..).and_then(|rest| memchr::memchr(0, rest)) else { return Ok(None) };
            at += end + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    Ok((bytes.len() >= at).then_some(at))
}

/// `deflate`: zlib (RFC 1950) by the book, raw (RFC 1951) as some servers send it.
#[derive(Default)]
pub struct Deflate {
    inflate: Option<Decompress>,
    first: Vec<u8>,
    ended: bool,
}

impl Deflate {
    /// Whether the stream has ended.
    pub fn complete(&self) -> bool {
        self.ended
    }

    /// Whether nothing has come.
    pub fn untouched(&self) -> bool {
        self.inflate.is_none()
    }

    pub fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, String> {
        if self.ended {
            // What follows the end of the stream is not content.
            return Ok(Progress { took: input.len(), gave: 0 });
        }
        let Some(stream) = &mut self.inflate else {
            let take = input.len().min(2 - self.first.len());
            self.first.extend_from_slice(&input[..take]);
            if let [method, flags] = *self.first {
                let zlib = method & 15 == 8 && (u16::from(method) << 8 | u16::from(flags)).is_multiple_of(31);
                let mut stream = Decompress::new(zlib);
                let first = std::mem::take(&mut self.first);
                let (progress, ended) = inflate(&mut stream, &first, output)?;
                self.ended = ended;
                self.inflate = Some(stream);
                return Ok(Progress { took: take, gave: progress.gave });
            }
            return Ok(Progress { took: take, gave: 0 });
        };
        let (progress, ended) = inflate(stream, input, output)?;
        self.ended = ended;
        Ok(progress)
    }
}

fn inflate(stream: &mut Decompress, input: &[u8], output: &mut [u8]) -> Result<(Progress, bool), String> {
    let (took, gave) = (stream.total_in(), stream.total_out());
    let status = match stream.decompress(input, output, FlushDecompress::None) {
        Ok(status) => status,
        Err(error) => return Err(error.to_string()),
    };
    let took = usize::try_from(stream.total_in() - took).unwrap_or(usize::MAX);
    let gave = usize::try_from(stream.total_out() - gave).unwrap_or(usize::MAX);
    Ok((Progress { took, gave }, status == Status::StreamEnd))
}
