//! The engine and its blocking driver on a virtual clock: no test here waits, and each says what the world does.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "also the functions beside the tests are tests")]

use std::collections::VecDeque;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use eyesocket::engine::{Descriptor, Interest, Operation, Step, Time, Timer, Wait, Watch};
use eyesocket::error::{Cause, Error, Fault, Result};
use eyesocket::net::drive::{self, Woken, World};
use eyesocket::net::exact::RecvExactly;
use proptest::prelude::*;

const START: Time = Time::from_nanos(7_000_000_000);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// One thing the world does when it is waited in.
enum Event {
    /// The peer's bytes arrive after so long.
    Bytes(Duration, Vec<u8>),
    /// The peer closes after so long.
    Close(Duration),
    /// The wait ends after so long with nothing ready.
    Spurious(Duration),
    /// A signal comes after so long.
    Signal(Duration),
    /// Nothing happens until the deadline.
    Deadline,
}

/// A scripted world: time passes only by its events, descriptors become ready only by its bytes.
struct Script {
    now: Time,
    peer: Option<UnixStream>,
    events: VecDeque<Event>,
    waits: Vec<Wait>,
    /// The answers of `interrupted`, then false.
    answers: VecDeque<bool>,
    asked: usize,
}

impl Script {
    fn new(events: impl IntoIterator<Item = Event>) -> (Self, UnixStream) {
        let (ours, peer) = UnixStream::pair().unwrap();
        let script = Self {
            now: START,
            peer: Some(peer),
            events: events.into_iter().collect(),
            waits: Vec::new(),
            answers: VecDeque::new(),
            asked: 0,
        };
        (script, ours)
    }
}

impl World for Script {
    fn now(&mut self) -> Time {
        self.now
    }

    fn wait(&mut self, wait: &Wait) -> Result<Woken> {
        self.waits.push(wait.clone());
        let (after, woken) = match self.events.pop_front().expect("the machine waits for something the script has not")
        {
            Event::Bytes(after, bytes) => {
                self.peer.as_mut().expect("open").write_all(&bytes).unwrap();
                (after, Woken::Step)
            }
            Event::Close(after) => {
                self.peer = None;
                (after, Woken::Step)
            }
            Event::Spurious(after) => (after, Woken::Step),
            Event::Signal(after) => (after, Woken::Signal),
            Event::Deadline => {
                (wait.deadline.expect("a wait with an end").since(self.now).saturating_add(ms(1)), Woken::Step)
            }
        };
        self.now = self.now.after(after);
        Ok(woken)
    }

    fn interrupted(&mut self) -> bool {
        self.asked += 1;
        self.answers.pop_front().unwrap_or(false)
    }
}

fn recv_exactly(ours: &UnixStream, wanted: usize, timeout: Option<Duration>) -> RecvExactly {
    RecvExactly::new(Descriptor(ours.as_raw_fd()), wanted, timeout)
}

#[test]
fn bytes_are_put_together_across_waits() {
    let (mut world, ours) = Script::new([Event::Bytes(ms(5), b"he".to_vec()), Event::Bytes(ms(5), b"llo!".to_vec())]);
    let got = drive::block(&mut recv_exactly(&ours, 5, None), &mut world).unwrap();
    assert_eq!(got, b"hello");
    let watch = Watch { descriptor: Descriptor(ours.as_raw_fd()), interest: Interest::Readable };
    assert_eq!(world.waits.len(), 2);
    for wait in &world.waits {
        assert_eq!(wait.watches().collect::<Vec<_>>(), [watch]);
        assert_eq!(wait.deadline, None);
    }
}

#[test]
fn what_is_there_already_needs_no_wait() {
    let (mut world, ours) = Script::new([]);
    world.peer.as_mut().unwrap().write_all(b"hello").unwrap();
    assert_eq!(drive::block(&mut recv_exactly(&ours, 5, Some(ms(0))), &mut world).unwrap(), b"hello");
    assert!(world.waits.is_empty());
}

#[test]
fn one_deadline_over_many_waits() {
    let bytes = (0..4).map(|_| Event::Bytes(ms(30), b"x".to_vec()));
    let (mut world, ours) = Script::new(bytes);
    let error = drive::block(&mut recv_exactly(&ours, 5, Some(ms(100))), &mut world).unwrap_err();
    assert_eq!(error.cause, Cause::TimedOut);
    assert_eq!(error.partial, b"xxxx");
    assert_eq!(error.fault(), Fault::Remote);
    assert_eq!(world.waits.len(), 4, "each byte is one wait, and none of them starts the time anew");
    assert!(world.waits.iter().all(|wait| wait.deadline == Some(START.after(ms(100)))));
}

#[test]
fn a_deadline_runs_from_the_first_step_not_from_the_making() {
    let (mut world, ours) = Script::new([Event::Deadline]);
    let mut operation = recv_exactly(&ours, 1, Some(ms(100)));
    world.now = START.after(ms(5_000));
    assert_eq!(drive::block(&mut operation, &mut world).unwrap_err().cause, Cause::TimedOut);
    assert_eq!(world.waits[0].deadline, Some(START.after(ms(5_100))));
}

#[test]
fn bytes_that_come_with_the_deadline_count() {
    let (mut world, ours) = Script::new([Event::Bytes(ms(100), b"hello".to_vec())]);
    assert_eq!(drive::block(&mut recv_exactly(&ours, 5, Some(ms(100))), &mut world).unwrap(), b"hello");
}

#[test]
fn a_spurious_wake_up_is_no_news() {
    let (mut world, ours) =
        Script::new([Event::Spurious(ms(1)), Event::Spurious(ms(1)), Event::Bytes(ms(1), b"hello".to_vec())]);
    assert_eq!(drive::block(&mut recv_exactly(&ours, 5, Some(ms(100))), &mut world).unwrap(), b"hello");
    assert_eq!(world.waits.len(), 3);
    assert_eq!(world.asked, 0, "no signal came, so nobody was asked");
}

#[test]
fn a_wake_up_before_the_deadline_does_not_time_out_and_one_after_it_does() {
    let (mut world, ours) = Script::new([Event::Spurious(ms(99)), Event::Spurious(ms(1))]);
    let error = drive::block(&mut recv_exactly(&ours, 5, Some(ms(100))), &mut world).unwrap_err();
    assert_eq!(error.cause, Cause::TimedOut);
    assert_eq!(world.waits.len(), 2);
}

#[test]
fn a_signal_whose_handler_returns_waits_for_what_is_left() {
    let (mut world, ours) =
        Script::new([Event::Signal(ms(40)), Event::Signal(ms(40)), Event::Bytes(ms(5), b"hello".to_vec())]);
    assert_eq!(drive::block(&mut recv_exactly(&ours, 5, Some(ms(100))), &mut world).unwrap(), b"hello");
    assert_eq!(world.asked, 2);
    assert!(world.waits.iter().all(|wait| wait.deadline == Some(START.after(ms(100)))));
}

#[test]
fn signals_do_not_stretch_the_deadline() {
    let (mut world, ours) = Script::new([Event::Signal(ms(60)), Event::Signal(ms(60)), Event::Deadline]);
    let error = drive::block(&mut recv_exactly(&ours, 5, Some(ms(100))), &mut world).unwrap_err();
    assert_eq!(error.cause, Cause::TimedOut);
    assert_eq!(world.waits.len(), 3);
}

#[test]
fn a_signal_whose_handler_raises_ends_the_operation_with_what_came() {
    let (mut world, ours) = Script::new([Event::Bytes(ms(1), b"abc".to_vec()), Event::Signal(ms(1))]);
    world.answers.push_back(true);
    let error = drive::block(&mut recv_exactly(&ours, 4, None), &mut world).unwrap_err();
    assert_eq!(error.cause, Cause::Interrupted);
    assert_eq!(error.partial, b"abc");
    assert_eq!(error.fault(), Fault::Local);
}

#[test]
fn the_end_of_the_stream_keeps_what_came() {
    let (mut world, ours) = Script::new([Event::Bytes(ms(1), b"abc".to_vec()), Event::Close(ms(1))]);
    let error = drive::block(&mut recv_exactly(&ours, 4, Some(ms(100))), &mut world).unwrap_err();
    assert_eq!(error.cause, Cause::Truncated { wanted: Some(4) });
    assert_eq!(error.partial, b"abc");
}

#[test]
fn a_descriptor_that_is_no_socket_is_told_by_errno() {
    let (mut world, _ours) = Script::new([]);
    let file = std::fs::File::open("/dev/null").unwrap();
    let error = drive::block(&mut RecvExactly::new(Descriptor(file.as_raw_fd()), 1, None), &mut world).unwrap_err();
    assert_eq!(error.cause, Cause::Os(libc::ENOTSOCK));
}

/// A machine that always finds work to do: it waits only for what is ready.
struct Busy {
    steps: u32,
    enough: u32,
}

impl Operation for Busy {
    type Output = u32;

    fn step(&mut self, now: Time) -> Result<Step<u32>> {
        self.steps += 1;
        if self.steps == self.enough { Ok(Step::Done(self.steps)) } else { Ok(Step::Wait(Wait::sleep(now))) }
    }

    fn partial(&mut self) -> Vec<u8> {
        self.steps.to_be_bytes().to_vec()
    }
}

#[test]
fn long_work_that_never_waits_is_still_interrupted() {
    let (mut world, _ours) = Script::new((0..10_000).map(|_| Event::Spurious(Duration::ZERO)));
    world.answers.extend([false, true]);
    let error = drive::block(&mut Busy { steps: 0, enough: u32::MAX }, &mut world).unwrap_err();
    assert_eq!(error.cause, Cause::Interrupted);
    let steps = u32::from_be_bytes(error.partial.clone().try_into().unwrap());
    assert!(steps < 1_000, "asked twice only in {steps} steps");
}

#[test]
fn long_work_that_nobody_stops_comes_to_its_end() {
    let (mut world, _ours) = Script::new((0..10_000).map(|_| Event::Spurious(Duration::ZERO)));
    assert_eq!(drive::block(&mut Busy { steps: 0, enough: 5_000 }, &mut world).unwrap(), 5_000);
    assert!(world.asked > 10);
}

/// A world whose waiting fails.
struct Broken;

impl World for Broken {
    fn now(&mut self) -> Time {
        START
    }

    fn wait(&mut self, _wait: &Wait) -> Result<Woken> {
        Err(Error::new("poll", Cause::Os(libc::ENOMEM)))
    }

    fn interrupted(&mut self) -> bool {
        false
    }
}

#[test]
fn a_wait_that_fails_ends_the_operation() {
    let error = drive::block(&mut Busy { steps: 0, enough: 9 }, &mut Broken).unwrap_err();
    assert_eq!((error.operation, &error.cause), ("poll", &Cause::Os(libc::ENOMEM)));
}

#[test]
fn the_real_world_sleeps_to_the_deadline_and_no_less() {
    struct Nap(Timer);
    impl Operation for Nap {
        type Output = Duration;
        fn step(&mut self, now: Time) -> Result<Step<Duration>> {
            let deadline = self.0.start(now).unwrap();
            if now < deadline { Ok(Step::Wait(Wait::sleep(deadline))) } else { Ok(Step::Done(now.since(deadline))) }
        }
    }
    let mut world = drive::System::new(|| false);
    let before = world.now();
    drive::block(&mut Nap(Timer::new(Some(ms(3)))), &mut world).unwrap();
    assert!(world.now().since(before) >= ms(3));
}

#[test]
fn the_earlier_deadline_of_a_wait_stays() {
    let (early, late) = (Some(START), Some(START.after(ms(1))));
    assert_eq!(Wait::default().until(late).until(early).deadline, early);
    assert_eq!(Wait::default().until(early).until(late).deadline, early);
    assert_eq!(Wait::default().until(early).until(None).deadline, early);
    assert_eq!(Wait::default().until(None).deadline, None);
}

#[test]
fn time_ends_and_does_not_wrap() {
    assert_eq!(START.after(Duration::MAX), Time::from_nanos(u64::MAX));
    assert_eq!(START.since(START.after(ms(1))), Duration::ZERO);
    let mut timer = Timer::new(Some(Duration::MAX));
    assert_eq!(timer.start(START), Some(Time::from_nanos(u64::MAX)));
    assert!(!timer.expired(START));
    assert_eq!(timer.start(START.after(ms(9))), timer.deadline(), "a running timer is not started again");
    assert!(!Timer::Never.expired(Time::from_nanos(u64::MAX)));
}

proptest! {
    /// However the peer's bytes are cut, and whatever comes between, the result is the same bytes.
    #[test]
    fn any_cut_of_the_stream_gives_the_same(
        data in proptest::collection::vec(any::<u8>(), 1..2_000),
        cuts in proptest::collection::vec((1_usize..300, 0_u8..3), 1..40),
    ) {
        let mut events = Vec::new();
        let mut rest = &data[..];
        for (length, between) in cuts {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            match between {
                0 => events.push(Event::Signal(ms(1))),
                1 => events.push(Event::Spurious(ms(1))),
                _ => {}
            }
            events.push(Event::Bytes(ms(1), piece.to_vec()));
        }
        events.push(Event::Bytes(ms(1), rest.to_vec()));
        let (mut world, ours) = Script::new(events);
        let got = drive::block(&mut recv_exactly(&ours, data.len(), Some(ms(60_000))), &mut world).unwrap();
        prop_assert_eq!(got, data);
    }

    /// Cut off anywhere, the bytes that came are all on the error.
    #[test]
    fn an_early_end_loses_nothing(data in proptest::collection::vec(any::<u8>(), 0..2_000), missing in 1_usize..100) {
        let (mut world, ours) = Script::new([Event::Bytes(ms(1), data.clone()), Event::Close(ms(1)), Event::Close(ms(1))]);
        let error = drive::block(&mut recv_exactly(&ours, data.len() + missing, None), &mut world).unwrap_err();
        prop_assert_eq!(&error.partial, &data);
        prop_assert_eq!(&error.cause, &Cause::Truncated { wanted: Some(data.len() + missing) });
    }
}

#[test]
fn the_same_watch_twice_is_one() {
    let wait = Wait::readable(Descriptor(3))
        .and(Descriptor(3), Interest::Writable)
        .and(Descriptor(3), Interest::Readable)
        .and(Descriptor(3), Interest::Writable)
        .and(Descriptor(4), Interest::Writable);
    let watch = |descriptor, interest| Watch { descriptor: Descriptor(descriptor), interest };
    assert_eq!(
        wait.watches().collect::<Vec<_>>(),
        [watch(3, Interest::Readable), watch(3, Interest::Writable), watch(4, Interest::Writable)]
    );
}
