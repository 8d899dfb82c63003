//! Receives frames behind a length of 4 as a program in Rust does: by tokio-util's codec, on one thread.
//!
//! Writes the port that it listens on. Each line of standard input is a number of frames to receive; a line of standard
//! output says how many bytes they were.

use std::error::Error;
use std::future::poll_fn;
use std::io::{BufRead, Write};
use std::pin::Pin;

use futures_core::Stream;
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?.port());
        let (stream, _) = listener.accept().await?;
        let codec = LengthDelimitedCodec::builder().max_frame_length(1 << 24).new_codec();
        let mut frames = FramedRead::with_capacity(stream, codec, 64 * 1024);
        for line in std::io::stdin().lock().lines() {
            let count: u64 = line?.trim().parse()?;
            let mut bytes = 0;
            for _ in 0..count {
                let frame = poll_fn(|context| Pin::new(&mut frames).poll_next(context)).await;
                bytes += frame.ok_or("the stream ended")??.len();
            }
            println!("{bytes}");
            std::io::stdout().flush()?;
        }
        Ok(())
    })
}
