//! Content codings (RFC 9110 section 8.4.1), decoded piece by piece, so that a small input cannot become a large
//! allocation: what comes out at once is bounded by the caller's piece, whatever goes in.

use std::io;

use brotli_decompressor::{BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};

use crate::error::{Error, Result};

/// How many codings may be stacked.
const MOST_CODINGS: usize = 5;
/// What is decoded at once between two codings.
const BETWEEN: usize = 32 * 1024;

/// Undoes a list of codings.
pub struct Decoder {
    stages: Vec<Stage>,
    /// Input of each stage that it has not taken yet; the last but one feeds the last.
    waiting: Vec<Vec<u8>>,
    taken: Vec<usize>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Decoder({} codings)", self.stages.len())
    }
}

enum Stage {
    Gzip(Box<Gzip>),
    Deflate(Box<Deflate>),
    Brotli(Box<Brotli>),
    Zstd(Box<Zstd>),
}

/// What one step took and gave.
struct Progress {
    took: usize,
    gave: usize,
}

impl Decoder {
    /// A decoder for `codings`, in the order they were applied; `None` if there is nothing to decode or one is unknown
    /// (the content then stays as it is).
    pub fn new<'a>(codings: impl Iterator<Item = &'a [u8]>) -> Result<Option<Self>> {
        let mut stages = Vec::new();
        for coding in codings {
            stages.push(match &*coding.to_ascii_lowercase() {
                b"gzip" | b"x-gzip" => Stage::Gzip(Box::default()),
                b"deflate" => Stage::Deflate(Box::default()),
                b"br" => Stage::Brotli(Box::new(Brotli::new())),
                b"zstd" => Stage::Zstd(Box::default()),
                b"identity" => continue,
                _ => return Ok(None),
            });
        }
        if stages.len() > MOST_CODINGS {
            return Err(Error::malformed("Content-Encoding", format!("more than {MOST_CODINGS} codings")));
        }
        if stages.is_empty() {
            return Ok(None);
        }
        stages.reverse();
        let count = stages.len();
        Ok(Some(Self { stages, waiting: vec![Vec::new(); count], taken: vec![0; count] }))
    }

    /// Brings encoded bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.taken[0] > 0 {
            self.waiting[0].drain(..self.taken[0]);
            self.taken[0] = 0;
        }
        self.waiting[0].extend_from_slice(bytes);
    }

    /// Appends at most `most` decoded bytes to `sink`. False when there are none without more input.
    pub fn decode(&mut self, sink: &mut Vec<u8>, most: usize) -> Result<bool> {
        let before = sink.len();
        self.pull(self.stages.len() - 1, sink, most)?;
        Ok(sink.len() > before)
    }

    /// Decodes with stage `at` into `sink`, with the stages before it as its source.
    fn pull(&mut self, at: usize, sink: &mut Vec<u8>, most: usize) -> Result<()> {
        let start = sink.len();
        let mut piece = vec![0; most.min(BETWEEN)];
        while sink.len() - start < most {
            let room = piece.len().min(most - (sink.len() - start));
            let progress = {
                let input = &self.waiting[at][self.taken[at]..];
                self.stages[at].step(input, &mut piece[..room])?
            };
            self.taken[at] += progress.took;
            sink.extend_from_slice(&piece[..progress.gave]);
            if progress.gave > 0 || progress.took > 0 {
                continue;
            }
            if at == 0 {
                return Ok(());
            }
            let mut more = std::mem::take(&mut self.waiting[at]);
            more.drain(..self.taken[at]);
            self.taken[at] = 0;
            let had = more.len();
            let pulled = self.pull(at - 1, &mut more, BETWEEN);
            let grown = more.len() > had;
            self.waiting[at] = more;
            pulled?;
            if !grown {
                return Ok(());
            }
        }
        Ok(())
    }

    /// After the end of the input and of the output: whether every coding was complete.
    pub fn finish(&self) -> Result<()> {
        for (at, stage) in self.stages.iter().enumerate() {
            // Nothing at all is no content, whatever its coding.
            let empty = at == 0 && stage.untouched();
            if !stage.complete() && !empty {
                return Err(Error::malformed("content", format!("the {} data end in the middle", stage.name())));
            }
            if stage.untouched() {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Stage {
    fn name(&self) -> &'static str {
        match self {
            Self::Gzip(_) => "gzip",
            Self::Deflate(_) => "deflate",
            Self::Brotli(_) => "br",
            Self::Zstd(_) => "zstd",
        }
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        let name = self.name();
        match self {
            Self::Gzip(gzip) => gzip.step(input, output),
            Self::Deflate(deflate) => deflate.step(input, output),
            Self::Brotli(brotli) => brotli.step(input, output),
            Self::Zstd(zstd) => zstd.step(input, output),
        }
        .map_err(|reason| Error::malformed("content", format!("not {name} data: {reason}")))
    }

    fn complete(&self) -> bool {
        match self {
            Self::Gzip(gzip) => matches!(gzip.part, GzipPart::Between) && gzip.members > 0,
            Self::Deflate(deflate) => deflate.ended,
            Self::Brotli(brotli) => brotli.ended,
            Self::Zstd(zstd) => zstd.complete(),
        }
    }

    fn untouched(&self) -> bool {
        match self {
            Self::Gzip(gzip) => gzip.members == 0 && gzip.header.is_empty(),
            Self::Deflate(deflate) => deflate.inflate.is_none(),
            Self::Brotli(brotli) => !brotli.begun,
            Self::Zstd(zstd) => zstd.frames == 0 && zstd.input.is_empty(),
        }
    }
}

/// gzip, RFC 1952: members one after the other.
struct Gzip {
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
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> std::result::Result<Progress, String> {
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
fn gzip_header(bytes: &[u8]) -> std::result::Result<Option<usize>, String> {
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
struct Deflate {
    inflate: Option<Decompress>,
    first: Vec<u8>,
    ended: bool,
}

impl Deflate {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> std::result::Result<Progress, String> {
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

fn inflate(stream: &mut Decompress, input: &[u8], output: &mut [u8]) -> std::result::Result<(Progress, bool), String> {
    let (took, gave) = (stream.total_in(), stream.total_out());
    let status = match stream.decompress(input, output, FlushDecompress::None) {
        Ok(status) => status,
        Err(error) => return Err(error.to_string()),
    };
    let took = usize::try_from(stream.total_in() - took).unwrap_or(usize::MAX);
    let gave = usize::try_from(stream.total_out() - gave).unwrap_or(usize::MAX);
    Ok((Progress { took, gave }, status == Status::StreamEnd))
}

/// `br`, RFC 7932.
struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    begun: bool,
    ended: bool,
}

impl Brotli {
    fn new() -> Self {
        let memory = StandardAlloc::default;
        Self { state: BrotliState::new(memory(), memory(), memory()), begun: false, ended: false }
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> std::result::Result<Progress, String> {
        if self.ended {
            return Ok(Progress { took: input.len(), gave: 0 });
        }
        self.begun |= !input.is_empty();
        let (mut available_in, mut took, mut available_out, mut gave, mut total) = (input.len(), 0, output.len(), 0, 0);
        let result = brotli_decompressor::BrotliDecompressStream(
            &mut available_in,
            &mut took,
            input,
            &mut available_out,
            &mut gave,
            output,
            &mut total,
            &mut self.state,
        );
        match result {
            BrotliResult::ResultFailure => Err("the stream is damaged".to_owned()),
            BrotliResult::ResultSuccess => {
                self.ended = true;
                Ok(Progress { took, gave })
            }
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => Ok(Progress { took, gave }),
        }
    }
}

/// `zstd`, RFC 8878: frames one after the other. Windows above the 8 MiB of RFC 9659 are refused.
#[derive(Default)]
struct Zstd {
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
    fn complete(&self) -> bool {
        self.frames > 0 && self.input.is_empty() && self.frame.is_none() && self.skip == 0
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> std::result::Result<Progress, String> {
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
    fn begin(&mut self) -> std::result::Result<bool, String> {
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(bytes).expect("into memory");
        writer.finish().expect("into memory")
    }

    fn decoded(codings: &[&[u8]], encoded: &[u8], cut: usize, most: usize) -> Result<Vec<u8>> {
        let mut decoder = Decoder::new(codings.iter().copied())?.expect("something to decode");
        let mut sink = Vec::new();
        for piece in encoded.chunks(cut) {
            decoder.feed(piece);
            while decoder.decode(&mut sink, most)? {}
        }
        while decoder.decode(&mut sink, most)? {}
        decoder.finish()?;
        Ok(sink)
    }

    #[test]
    fn any_cut_gives_the_same() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(|number| (number % 251).to_le_bytes()).collect();
        let once = gzipped(&text);
        let twice = gzipped(&once);
        let mut members = gzipped(&text[..5000]);
        members.extend(gzipped(&text[5000..]));
        for cut in [1, 2, 7, 1000, 100_000] {
            for most in [1, 13, 4096, 1 << 20] {
                assert_eq!(decoded(&[b"gzip"], &once, cut, most), Ok(text.clone()));
            }
            assert_eq!(decoded(&[b"gzip"], &members, cut, 4096), Ok(text.clone()));
            assert_eq!(decoded(&[b"gzip", b"X-Gzip"], &twice, cut, 4096), Ok(text.clone()));
        }
    }

    #[test]
    fn deflate_of_both_kinds() {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        zlib.write_all(b"hello hello hello").expect("into memory");
        raw.write_all(b"hello hello hello").expect("into memory");
        for encoded in [zlib.finish().expect("into memory"), raw.finish().expect("into memory")] {
            for cut in [1, 3, 100] {
                assert_eq!(decoded(&[b"deflate"], &encoded, cut, 100), Ok(b"hello hello hello".to_vec()));
            }
        }
    }

    #[test]
    fn the_end_in_the_middle_is_an_error() {
        let whole = gzipped(b"hello");
        for length in 1..whole.len() {
            assert!(decoded(&[b"gzip"], &whole[..length], 100, 100).is_err(), "{length}");
        }
        let mut damaged = whole.clone();
        let last = damaged.len() - 5;
        damaged[last] ^= 1;
        assert!(decoded(&[b"gzip"], &damaged, 100, 100).is_err());
        assert_eq!(decoded(&[b"gzip"], b"", 1, 100), Ok(Vec::new()));
    }

    #[test]
    fn a_bomb_comes_out_in_pieces() {
        let bomb = gzipped(&vec![0; 50_000_000]);
        let bomb = gzipped(&bomb);
        let mut decoder = Decoder::new([&b"gzip"[..], b"gzip"].into_iter()).expect("known").expect("something");
        decoder.feed(&bomb);
        let mut sink = Vec::new();
        assert_eq!(decoder.decode(&mut sink, 10_000), Ok(true));
        assert_eq!(sink.len(), 10_000);
        assert!(decoder.waiting.iter().map(Vec::len).sum::<usize>() < 200_000);
    }

    #[test]
    fn six_codings_are_refused_and_unknown_ones_left() {
        assert!(Decoder::new([&b"gzip"[..]; 6].into_iter()).is_err());
        assert!(Decoder::new([&b"gzip"[..], b"mystery"].into_iter()).expect("no error").is_none());
    }

    #[test]
    fn zstd_frames_blocks_and_checksums() {
        // A raw block and an RLE block by hand (RFC 8878 section 3.1.1), single segment, no checksum.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 8, 0x18, 0, 0, b'a', b'b', b'c', 0x2b, 0, 0, b'z'];
        let mut two = vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        two.extend(frame);
        for cut in [1, 5, 100] {
            assert_eq!(decoded(&[b"zstd"], &frame, cut, 3), Ok(b"abczzzzz".to_vec()));
            assert_eq!(decoded(&[b"zstd"], &two, cut, 100), Ok(b"abczzzzz".to_vec()));
        }
        for length in 1..frame.len() {
            assert!(decoded(&[b"zstd"], &frame[..length], 100, 100).is_err(), "{length}");
        }
        let packed =
            ruzstd::encoding::compress_to_vec(&[7_u8; 500_000][..], ruzstd::encoding::CompressionLevel::Fastest);
        assert_eq!(decoded(&[b"zstd"], &packed, 1000, 5000), Ok(vec![7; 500_000]));
    }
}
