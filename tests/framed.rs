//! Receives on one stream that share it: into memory of their own and into that of callers, stepped and given up anywhere.
#![expect(clippy::unwrap_used, reason = "sockets and settings that the test itself makes")]

use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use eyesocket::engine::{Descriptor, Interest, Operation, Step, Time};
use eyesocket::error::Cause;
use eyesocket::framing::codec::{Codec, Format, Oversize};
use eyesocket::framing::delimited::Delimited;
use eyesocket::framing::length::{Fields, LengthPrefixed};
use eyesocket::framing::netstring::Netstring;
use eyesocket::framing::raw::Fixed;
use eyesocket::framing::tlv::Tlv;
use eyesocket::framing::varint::Varint;
use eyesocket::net::drive;
use eyesocket::net::framed::{Fill, FillRoom, Framed, Patience, Room, Taken, Transfer, Transport};
use proptest::prelude::*;

const MAX: usize = 1 << 20;
const NOW: Time = Time::from_nanos(0);
const FIXED: usize = 40_000;

fn codecs() -> Vec<Codec> {
    let formats = vec![
        Format::LengthPrefixed(LengthPrefixed::new(Fields::default(), MAX).unwrap()),
        Format::LengthPrefixed(LengthPrefixed::new(Fields { skip: Some(0), ..Fields::default() }, MAX).unwrap()),
        Format::Varint(Varint { max_frame: MAX }),
        Format::Netstring(Netstring { max_frame: MAX }),
        Format::Tlv(Tlv::new(1, 4, eyesocket::framing::length::Order::Little, MAX).unwrap()),
        Format::Chunked,
        Format::Fixed(Fixed::new(FIXED).unwrap()),
        Format::Delimited(Delimited::new(vec![b"\n".to_vec()], MAX, false).unwrap()),
    ];
    formats.into_iter().map(|format| Codec::new(format, MAX, Oversize::Raise).unwrap()).collect()
}

/// What arrived in a room, and how; there when its loan has ended.
#[derive(Default)]
struct Arrived {
    bytes: Vec<u8>,
    received: usize,
    copied: usize,
}

struct Watched(Arrived, Arc<Mutex<Arrived>>);

impl Room for Watched {
    fn capacity(&self) -> usize {
        self.0.bytes.len()
    }

    fn recv(&mut self, descriptor: Descriptor, range: Range<usize>) -> std::io::Result<usize> {
        let count = self.0.bytes.recv(descriptor, range)?;
        self.0.received += count;
        Ok(count)
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        Room::write(&mut self.0.bytes, at, bytes);
        self.0.copied += bytes.len();
    }

    fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.0.bytes[range]
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        *self.1.lock().unwrap() = std::mem::take(&mut self.0);
    }
}

/// A stream, who receives on it, and what they got.
struct Scene {
    framed: Arc<Framed>,
    far: UnixStream,
    _near: UnixStream,
    wire: Vec<u8>,
    written: usize,
    waiting: Vec<(FillRoom, Arc<Mutex<Arrived>>)>,
    got: Vec<Vec<u8>>,
}

impl Scene {
    fn new(codec: &Codec, frames: &[Vec<u8>], own: bool) -> Self {
        let (near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        let mut framed = Framed::new(Box::new(Descriptor(near.as_raw_fd())), codec.clone(), None);
        if own {
            framed = framed.with_memory(Box::new(|| Box::new(Vec::<u8>::new())));
        }
        let mut wire = Vec::new();
        for frame in frames {
            codec.encode(7, frame, &mut wire).unwrap();
        }
        let (written, waiting, got) = (0, Vec::new(), Vec::new());
        Self { framed: Arc::new(framed), far, _near: near, wire, written, waiting, got }
    }

    fn write(&mut self, most: usize) {
        let end = (self.written + most).min(self.wire.len());
        match (&self.far).write(&self.wire[self.written..end]) {
            Ok(count) => self.written += count,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }

    fn lend(&mut self, capacity: usize) {
        let arrived = Arc::default();
        let room = Arrived { bytes: vec![b'#'; capacity], ..Arrived::default() };
        let room = Box::new(Watched(room, Arc::clone(&arrived)));
        let filling = FillRoom::new(Arc::clone(&self.framed), room, Patience::Limit(None));
        self.waiting.push((filling, arrived));
    }

    /// Steps one of those who wait. Whether it has its frame.
    fn step(&mut self, index: usize) -> bool {
        let (filling, arrived) = &mut self.waiting[index];
        let taken = match filling.step(NOW).unwrap() {
            Step::Wait(_) => return false,
            Step::Done(taken) => taken,
        };
        let arrived = Arc::clone(arrived);
        drop(self.waiting.remove(index));
        let arrived = arrived.lock().unwrap();
        match taken {
            Taken::Frame { length, .. } => self.got.push(arrived.bytes[..length].to_vec()),
            Taken::Failed(error) => {
                let room = arrived.bytes.len();
                assert!(matches!(error.cause, Cause::NoRoom { length, room: had } if had == room && length > room));
                return false;
            }
            Taken::End => unreachable!("the stream goes on"),
        }
        true
    }

    fn look(&mut self, index: usize) {
        let (Step::Wait(_) | Step::Done(())) = self.waiting[index].0.look(NOW).unwrap();
    }

    /// A receive that needs no room.
    fn take(&mut self) -> bool {
        let mut fill = Fill::new(Arc::clone(&self.framed), Patience::Limit(None));
        if let Step::Wait(_) = fill.step(NOW).unwrap() {
            return false;
        }
        let frame = match self.framed.take_large() {
            Some((_, sink)) => sink.bytes().to_vec(),
            None => {
                let mut inbox = self.framed.inbox().lock().unwrap();
                inbox.take(|frame| frame.bytes.to_vec()).unwrap().unwrap()
            }
        };
        self.got.push(frame);
        true
    }
}

#[derive(Clone, Debug)]
enum Act {
    Write(usize),
    Lend(usize),
    Step(prop::sample::Index),
    Look(prop::sample::Index),
    GiveUp(prop::sample::Index),
    Take,
}

fn act() -> impl Strategy<Value = Act> {
    let size = || prop_oneof![0_usize..20, 0_usize..6_000, 0_usize..90_000, Just(200_000)];
    prop_oneof![
        5 => size().prop_map(Act::Write),
        2 => size().prop_map(Act::Lend),
        4 => any::<prop::sample::Index>().prop_map(Act::Step),
        1 => any::<prop::sample::Index>().prop_map(Act::Look),
        2 => any::<prop::sample::Index>().prop_map(Act::GiveUp),
        1 => Just(Act::Take),
    ]
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![4_usize..300, 3_000_usize..9_000, 30_000_usize..90_000, 100_000_usize..150_000];
    prop::collection::vec(size, 1..6)
}

fn content(codec: &Codec, index: usize, length: usize) -> Vec<u8> {
    let length = if matches!(codec.format, Format::Fixed(_)) { FIXED } else { length };
    let mut bytes: Vec<u8> = (0..length).map(|at| b'a' + ((at * 7 + at / 251 + index * 5) % 26) as u8).collect();
    if let Format::LengthPrefixed(_) = &codec.format {
        let mut whole = Vec::new();
        codec.encode(0, &bytes, &mut whole).unwrap();
        // Where the header is handed over, it is part of the frame.
        if whole.len() == bytes.len() {
            bytes.resize(bytes.len().max(4), b'x');
            let length = (bytes.len() - 4) as u32;
            bytes[..4].copy_from_slice(&length.to_be_bytes());
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whoever_receives_however_and_gives_up_anywhere_the_frames_come_in_their_order(
        which in 0..8_usize,
        own in any::<bool>(),
        lengths in lengths(),
        acts in prop::collection::vec(act(), 0..60),
        unread in any::<bool>(),
    ) {
        let codec = &codecs()[which];
        let frames: Vec<_> = lengths.iter().enumerate().map(|(at, length)| content(codec, at, *length)).collect();
        let mut scene = Scene::new(codec, &frames, own);
        for act in acts {
            let waiting = scene.waiting.len();
            match act {
                Act::Write(most) => scene.write(most),
                Act::Lend(capacity) => scene.lend(capacity),
                Act::Step(index) if waiting > 0 => drop(scene.step(index.index(waiting))),
                Act::Look(index) if waiting > 0 => scene.look(index.index(waiting)),
                Act::GiveUp(index) if waiting > 0 => drop(scene.waiting.remove(index.index(waiting))),
                Act::Take if scene.got.len() < frames.len() => drop(scene.take()),
                _ => {}
            }
        }
        if unread {
            let mut used = Vec::new();
            for frame in &scene.got {
                codec.encode(7, frame, &mut used).unwrap();
            }
            let beyond = scene.framed.beyond();
            let buffered = scene.framed.inbox().lock().unwrap().buffered() + beyond;
            let mut rest = scene.framed.give_back();
            rest.extend(scene.framed.inbox().lock().unwrap().unread());
            prop_assert_eq!(rest.len(), buffered);
            prop_assert!(scene.wire[used.len()..].starts_with(&rest));
            return Ok(());
        }
        let mut left = 10 + scene.waiting.len() + frames.len() + scene.wire.len() / 100;
        while scene.got.len() < frames.len() {
            left -= 1;
            prop_assert!(left > 0, "bytes are lost");
            scene.write(50_000);
            if scene.waiting.is_empty() {
                scene.take();
            } else {
                scene.step(0);
            }
        }
        prop_assert!(scene.got == frames);
        prop_assert_eq!(scene.framed.inbox().lock().unwrap().buffered() + scene.framed.beyond(), 0);
    }
}

#[test]
fn what_is_copied_into_a_room_is_only_what_came_with_the_header() {
    for codec in codecs().iter().take(7) {
        let frames: Vec<_> = (0..4).map(|index| content(codec, index, 100_000)).collect();
        let mut scene = Scene::new(codec, &frames, true);
        let mut count = 0;
        while count < frames.len() {
            scene.lend(100_000);
            let arrived = Arc::clone(&scene.waiting[0].1);
            while scene.waiting.len() == 1 {
                scene.write(30_000);
                scene.step(0);
            }
            count += 1;
            let arrived = arrived.lock().unwrap();
            let length = frames[0].len();
            assert!(arrived.copied <= 64, "{} copied of {length}, {codec:?}", arrived.copied);
            assert_eq!(arrived.copied + arrived.received, length, "{codec:?}");
            assert!(arrived.bytes[length..].iter().all(|byte| *byte == b'#'), "nothing behind the frame is written");
        }
        assert!(scene.got == frames);
    }
}

/// What encrypts: it has bytes of which the descriptor does not tell, and gives so many at a time.
struct Hoard(Descriptor, Mutex<Vec<u8>>, usize);

impl Transport for Hoard {
    fn descriptor(&self) -> Descriptor {
        self.0
    }

    fn recv(&self, buffer: &mut Vec<u8>, most: usize) -> eyesocket::error::Result<Transfer> {
        let mut left = self.1.lock().unwrap();
        let count = most.min(left.len()).min(self.2);
        if count == 0 {
            return Ok(Transfer::Blocked(Interest::Readable));
        }
        buffer.extend_from_slice(&left.drain(..count).collect::<Vec<_>>());
        Ok(Transfer::Moved(count))
    }

    fn send(&self, _bytes: &[u8]) -> eyesocket::error::Result<Transfer> {
        Ok(Transfer::Blocked(Interest::Writable))
    }
}

#[test]
fn a_step_that_has_received_enough_does_not_wait_for_a_descriptor_that_has_nothing() {
    let (near, _far) = UnixStream::pair().unwrap();
    let descriptor = Descriptor(near.as_raw_fd());
    let hoard = Hoard(descriptor, Mutex::new([&[b'x'; 1000], &b"\n"[..]].concat()), 1);
    let framed = Arc::new(Framed::new(Box::new(hoard), codecs()[7].clone(), None));
    let mut fill = Fill::new(Arc::clone(&framed), Patience::Limit(None));
    drive::block(&mut fill, &mut drive::System::new(|| false)).unwrap();
    assert_eq!(framed.inbox().lock().unwrap().take(|frame| frame.bytes.len()).unwrap(), Some(1000));
    let mut fill = Fill::new(framed, Patience::Limit(None));
    let Step::Wait(wait) = fill.step(NOW).unwrap() else { unreachable!("there is nothing") };
    assert_eq!(wait.deadline, None, "and where nothing is left it waits");
}

#[test]
fn what_only_appends_fills_rooms_and_memory_too() {
    let format = Format::LengthPrefixed(LengthPrefixed::new(Fields::default(), MAX).unwrap());
    let codec = Codec::new(format, MAX, Oversize::Raise).unwrap();
    let frames = [content(&codec, 0, 70_000), content(&codec, 1, 50_000), b"behind".to_vec()];
    let mut wire = Vec::new();
    for frame in &frames {
        codec.encode(0, frame, &mut wire).unwrap();
    }
    for piece in [1000, 16 * 1024, usize::MAX] {
        let (near, _far) = UnixStream::pair().unwrap();
        let hoard = Hoard(Descriptor(near.as_raw_fd()), Mutex::new(wire.clone()), piece);
        let memory = Box::new(|| -> Box<dyn eyesocket::net::sink::Sink> { Box::<Vec<u8>>::default() });
        let framed = Arc::new(Framed::new(Box::new(hoard), codec.clone(), None).with_memory(memory));
        let arrived = Arc::new(Mutex::new(Arrived::default()));
        let room = Watched(Arrived { bytes: vec![b'#'; 80_000], ..Arrived::default() }, Arc::clone(&arrived));
        let mut filling = FillRoom::new(Arc::clone(&framed), Box::new(room), Patience::Limit(None));
        let taken = drive::block(&mut filling, &mut drive::System::new(|| false)).unwrap();
        assert_eq!(taken, Taken::Frame { tag: 0, length: 70_000 });
        drop(filling);
        assert!(arrived.lock().unwrap().bytes[..70_000] == frames[0]);
        let mut fill = Fill::new(Arc::clone(&framed), Patience::Limit(None));
        drive::block(&mut fill, &mut drive::System::new(|| false)).unwrap();
        if let Some((_, sink)) = framed.take_large() {
            assert!(sink.bytes() == frames[1]);
        } else {
            assert_eq!(piece, usize::MAX, "unless it came with the first");
            assert!(framed.inbox().lock().unwrap().take(|frame| frame.bytes == frames[1]).unwrap().unwrap());
        }
        let mut fill = Fill::new(Arc::clone(&framed), Patience::Limit(None));
        drive::block(&mut fill, &mut drive::System::new(|| false)).unwrap();
        assert!(framed.inbox().lock().unwrap().take(|frame| frame.bytes == b"behind").unwrap().unwrap());
    }
}

#[test]
fn a_frame_larger_than_any_own_memory_may_be_given_up_and_costs_no_promise() {
    let max_frame = 32 << 20;
    let format = Format::LengthPrefixed(LengthPrefixed::new(Fields::default(), max_frame).unwrap());
    let codec = Codec::new(format, max_frame, Oversize::Raise).unwrap();
    let frames = [content(&codec, 0, 9 << 20), b"behind".to_vec()];
    let mut scene = Scene::new(&codec, &frames, true);
    for _ in 0..10 {
        scene.lend(10 << 20);
        for _ in 0..10 {
            scene.write(50_000);
            assert!(!scene.step(0));
        }
        scene.waiting.clear();
    }
    while scene.got.len() < 2 {
        scene.write(50_000);
        scene.take();
    }
    assert!(scene.got == frames);
}

#[test]
fn a_wrong_byte_behind_the_content_is_the_same_error_as_from_a_decoder() {
    for (format, end) in [(Format::Netstring(Netstring { max_frame: MAX }), 1), (Format::Chunked, 2)] {
        let codec = Codec::new(format, MAX, Oversize::Raise).unwrap();
        let mut scene = Scene::new(&codec, &[content(&codec, 0, 50_000)], true);
        let at = scene.wire.len() - end;
        scene.wire[at] = b'!';
        scene.lend(60_000);
        let error = loop {
            scene.write(20_000);
            match scene.waiting[0].0.step(NOW).unwrap() {
                Step::Wait(_) => {}
                Step::Done(Taken::Failed(error)) => break error,
                Step::Done(other) => unreachable!("{other:?}"),
            }
        };
        let mut decoder = eyesocket::framing::decoder::Decoder::new(codec.clone());
        decoder.feed(&scene.wire);
        assert_eq!(error.cause, decoder.ready().unwrap_err().cause);
        assert_eq!(scene.framed.inbox().lock().unwrap().unread(), scene.wire);
    }
}
