//! `br`, RFC 7932.

use brotli_decompressor::{BrotliResult, BrotliState, StandardAlloc};

use super::Progress;

/// `br`, RFC 7932.
pub struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    begun: bool,
    ended: bool,
}

impl Brotli {
    /// Whether the stream has ended.
    pub fn complete(&self) -> bool {
        self.ended
    }

    /// Whether nothing has come.
    pub fn untouched(&self) -> bool {
        !self.begun
    }

    pub fn new() -> Self {
        let memory = StandardAlloc::default;
        Self { state: BrotliState::new(memory(), memory(), memory()), begun: false, ended: false }
    }

    pub fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, String> {
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
