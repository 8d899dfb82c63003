//! Content codings (RFC 9110 section 8.4.1), decoded piece by piece, so that a small input cannot become a large
//! allocation: what comes out at once is bounded by the caller's piece, whatever goes in.

mod brotli;
mod deflate;
mod zstd;

use brotli::Brotli;
use deflate::{Deflate, Gzip};
use zstd::Zstd;

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
            Self::Gzip(gzip) => gzip.complete(),
            Self::Deflate(deflate) => deflate.complete(),
            Self::Brotli(brotli) => brotli.complete(),
            Self::Zstd(zstd) => zstd.complete(),
        }
    }

    fn untouched(&self) -> bool {
        match self {
            Self::Gzip(gzip) => gzip.untouched(),
            Self::Deflate(deflate) => deflate.untouched(),
            Self::Brotli(brotli) => brotli.untouched(),
            Self::Zstd(zstd) => zstd.untouched(),
        }
    }
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
