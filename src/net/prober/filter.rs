//! Kernel filters (classic BPF, Documentation/networking/filter.rst): a raw socket sees the ICMP of the whole machine;
//! with these it is woken for what concerns its own identifier alone.

use std::net::{IpAddr, SocketAddr};

use socket2::SockFilter;

use crate::packet::icmp::Version;

/// Where a jump leads.
#[derive(Clone, Copy, Debug)]
enum To {
    /// To the next instruction.
    Next,
    /// To the instruction of that index.
    At(usize),
    /// Let the packet through.
    Accept,
    /// Drop it.
    Reject,
}

/// One instruction.
#[derive(Clone, Copy, Debug)]
enum Op {
    /// Load a byte, two, or four, from X + k.
    Byte(u32),
    Half(u32),
    Word(u32),
    /// X: four times the low half of the byte at k (an IPv4 header's length).
    HeaderLength(u32),
    /// Keep the low half of A and multiply it by four.
    Quadruple,
    /// A: A + a number.
    Add(u32),
    /// X: A + X.
    Advance,
    /// X: a number.
    Start(u32),
    /// Go on according to whether A is k.
    Is(u32, To, To),
}

fn assemble(program: &[Op]) -> Vec<SockFilter> {
    use libc::{BPF_ADD, BPF_ALU, BPF_AND, BPF_B, BPF_H, BPF_IMM, BPF_IND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_LDX};
    use libc::{BPF_LSH, BPF_MISC, BPF_MSH, BPF_RET, BPF_TAX, BPF_W, BPF_X};
    let size = |op: &Op| match op {
        Op::Quadruple | Op::Advance => 2,
        _ => 1,
    };
    let mut starts = vec![0];
    for op in program {
        starts.push(starts.last().copied().unwrap_or(0) + size(op));
    }
    let end = starts.last().copied().unwrap_or(0);
    let code = |code: u32, k: u32| SockFilter::new(code as u16, 0, 0, k);
    let mut output = Vec::with_capacity(end + 2);
    for op in program {
        let next = output.len() + 1;
        // A filter is a few dozen instructions, and jumps go forward only.
        let jump = |to: To| match to {
            To::Next => 0,
            To::At(index) => (starts[index] - next) as u8,
            To::Accept => (end - next) as u8,
            To::Reject => (end + 1 - next) as u8,
        };
        match *op {
            Op::Byte(k) => output.push(code(BPF_LD | BPF_B | BPF_IND, k)),
            Op::Half(k) => output.push(code(BPF_LD | BPF_H | BPF_IND, k)),
            Op::Word(k) => output.push(code(BPF_LD | BPF_W | BPF_IND, k)),
            Op::HeaderLength(k) => output.push(code(BPF_LDX | BPF_B | BPF_MSH, k)),
            Op::Start(k) => output.push(code(BPF_LDX | BPF_IMM, k)),
            Op::Quadruple => {
                output.extend([code(BPF_ALU | BPF_AND | BPF_K, 15), code(BPF_ALU | BPF_LSH | BPF_K, 2)]);
            }
            Op::Add(k) => output.push(code(BPF_ALU | BPF_ADD | BPF_K, k)),
            Op::Advance => output.extend([code(BPF_ALU | BPF_ADD | BPF_X, 0), code(BPF_MISC | BPF_TAX, 0)]),
            Op::Is(k, yes, no) => {
                output.push(SockFilter::new((BPF_JMP | BPF_JEQ | BPF_K) as u16, jump(yes), jump(no), k));
            }
        }
    }
    output.extend([code(BPF_RET | BPF_K, 0x0004_0000), code(BPF_RET | BPF_K, 0)]);
    output
}

/// Lets nothing through.
pub fn nothing() -> Vec<SockFilter> {
    assemble(&[Op::Is(0, To::Reject, To::Reject)])
}

/// Of TCP, lets through what comes from the port of `target`.
pub fn from_port(target: SocketAddr) -> Vec<SockFilter> {
    let start = if target.is_ipv6() { Op::Start(0) } else { Op::HeaderLength(0) };
    assemble(&[start, Op::Half(0), Op::Is(u32::from(target.port()), To::Accept, To::Reject)])
}

/// Of ICMP, lets through errors that quote a packet of that protocol to `target`.
pub fn errors_about(protocol: u8, target: IpAddr) -> Vec<SockFilter> {
    let protocol = u32::from(protocol);
    match target {
        IpAddr::V4(v4) => {
            let wanted = [3, 4, 5, 11, 12];
            let mut program = vec![Op::HeaderLength(0), Op::Byte(0)];
            let after = program.len() + wanted.len() + 1;
            program.extend(wanted.map(|kind| Op::Is(kind, To::At(after), To::Next)));
            program.push(Op::Is(0, To::Reject, To::Reject));
            program.extend([
                Op::Byte(8 + 9),
                Op::Is(protocol, To::Next, To::Reject),
                Op::Word(8 + 16),
                Op::Is(u32::from(v4), To::Accept, To::Reject),
            ]);
            assemble(&program)
        }
        IpAddr::V6(v6) => {
            let wanted = [1, 2, 3, 4];
            let mut program = vec![Op::Start(0), Op::Byte(0)];
            let after = program.len() + wanted.len() + 1;
            program.extend(wanted.map(|kind| Op::Is(kind, To::At(after), To::Next)));
            program.push(Op::Is(0, To::Reject, To::Reject));
            // The next header, or a fragment header before it.
            program.extend([Op::Byte(8 + 6), Op::Is(44, To::At(after + 3), To::Next)]);
            program.push(Op::Is(protocol, To::Next, To::Reject));
            for (place, word) in v6.octets().chunks_exact(4).enumerate() {
                let word = word.iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
                program.extend([Op::Word(8 + 24 + 4 * place as u32), Op::Is(word, To::Next, To::Reject)]);
            }
            program.push(Op::Is(0, To::Accept, To::Accept));
            assemble(&program)
        }
    }
}

/// How many identifiers a filter may have: its jumps reach 255 instructions far.
pub const MOST: usize = 100;

/// Lets through echo replies with one of the `identifiers`, and errors that quote an echo request with one. At most
/// [`MOST`] count.
pub fn echo(version: Version, identifiers: &[u16]) -> Vec<SockFilter> {
    let mut program = match version {
        // A raw IPv4 socket gets the IP header too.
        Version::V4 => vec![
            Op::HeaderLength(0),
            Op::Byte(0),
            Op::Is(0, To::At(14), To::Next),
            Op::Is(3, To::At(8), To::Next),
            Op::Is(4, To::At(8), To::Next),
            Op::Is(5, To::At(8), To::Next),
            Op::Is(11, To::At(8), To::Next),
            Op::Is(12, To::At(8), To::Reject),
            // The quoted packet's header starts at X + 8; what follows it at X + 8 + its length.
            Op::Byte(8),
            Op::Quadruple,
            Op::Add(8),
            Op::Advance,
            Op::Byte(0),
            Op::Is(8, To::Next, To::Reject),
            Op::Half(4),
        ],
        Version::V6 => vec![
            Op::Start(0),
            Op::Byte(0),
            Op::Is(129, To::At(14), To::Next),
            Op::Is(1, To::At(7), To::Next),
            Op::Is(2, To::At(7), To::Next),
            Op::Is(3, To::At(7), To::Next),
            Op::Is(4, To::At(7), To::Reject),
            // The quoted packet's next header; a fragment header may come first.
            Op::Byte(8 + 6),
            Op::Start(8 + 40),
            Op::Is(58, To::At(12), To::Next),
            Op::Is(44, To::Next, To::Reject),
            Op::Start(8 + 40 + 8),
            Op::Byte(0),
            Op::Is(128, To::Next, To::Reject),
            Op::Half(4),
        ],
    };
    program.extend(identifiers.iter().take(MOST).map(|&id| Op::Is(u32::from(id), To::Accept, To::Next)));
    program.push(Op::Is(0, To::Reject, To::Reject));
    assemble(&program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::icmp::echo_request;

    /// Runs packets through the filter in the kernel: on a pair of Unix sockets, which need no rights.
    fn passes(filter: &[SockFilter], packets: &[Vec<u8>]) -> Vec<bool> {
        let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().expect("a socket pair");
        socket2::SockRef::from(&theirs).attach_filter(filter).expect("the kernel's verifier takes it");
        theirs.set_nonblocking(true).expect("a flag");
        let mut buffer = [0; 2000];
        packets
            .iter()
            .map(|packet| {
                // A datagram that the filter drops is reported to its sender on Unix sockets: EPERM.
                let _ = ours.send(packet);
                theirs.recv(&mut buffer).is_ok_and(|got| got == packet.len())
            })
            .collect()
    }

    fn ip(protocol: u8, options: usize, body: &[u8]) -> Vec<u8> {
        let mut packet =
            vec![0x45 + options as u8, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1];
        packet.extend(vec![1; options * 4]);
        packet.extend_from_slice(body);
        packet
    }

    fn v4_error(kind: u8, quoted: &[u8]) -> Vec<u8> {
        let mut message = vec![kind, 1, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(quoted);
        ip(1, 0, &message)
    }

    #[test]
    fn v4() {
        let mut reply = echo_request(Version::V4, 77, 1, b"x");
        reply[0] = 0;
        let mut foreign = reply.clone();
        foreign[5] = 78;
        let request = echo_request(Version::V4, 77, 1, b"");
        let other = echo_request(Version::V4, 76, 1, b"");
        let packets = [
            (ip(1, 0, &reply), true),
            (ip(1, 3, &reply), true),
            (ip(1, 0, &foreign), false),
            (ip(1, 0, &request), false),
            (v4_error(11, &ip(1, 0, &request)), true),
            (v4_error(3, &ip(1, 2, &request)), true),
            (v4_error(5, &ip(1, 0, &request)), true),
            (v4_error(12, &ip(1, 0, &request)), true),
            (v4_error(11, &ip(1, 0, &other)), false),
            (v4_error(13, &ip(1, 0, &request)), false),
            (v4_error(11, &[0x45]), false),
        ];
        let (packets, wanted): (Vec<_>, Vec<_>) = packets.into_iter().unzip();
        assert_eq!(passes(&echo(Version::V4, &[5, 77]), &packets), wanted);
        let many: Vec<u16> = (0..MOST as u16 - 1).map(|more| 1000 + more).chain([77]).collect();
        assert_eq!(passes(&echo(Version::V4, &many[..]), &packets)[..3], [true, true, false]);
        assert_eq!(passes(&echo(Version::V4, &[]), &packets), [false; 11]);
    }

    #[test]
    fn v6() {
        let mut reply = echo_request(Version::V6, 77, 1, b"x");
        reply[0] = 129;
        let request = echo_request(Version::V6, 77, 1, b"");
        let quote = |next: u8, body: &[u8]| {
            let mut message = vec![3, 0, 0, 0, 0, 0, 0, 0, 0x60, 0, 0, 0, 0, 0, next, 1];
            message.extend([0; 32]);
            message.extend_from_slice(body);
            message
        };
        let fragment = [&[58, 0, 0, 1, 0, 0, 0, 1], &request[..]].concat();
        let packets = [
            (reply.clone(), true),
            (request.clone(), false),
            (quote(58, &request), true),
            (quote(44, &fragment), true),
            (quote(17, &request), false),
            (quote(58, &reply), false),
        ];
        let (packets, wanted): (Vec<_>, Vec<_>) = packets.into_iter().unzip();
        assert_eq!(passes(&echo(Version::V6, &[77, 9]), &packets), wanted);
        assert_eq!(passes(&echo(Version::V6, &[78]), &packets), [false; 6]);
    }
}
