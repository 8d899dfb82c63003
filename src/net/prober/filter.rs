//! Kernel filters (classic BPF, Documentation/networking/filter.rst): a raw socket sees the ICMP of the whole machine;
//! with these it is woken for what concerns its own identifier alone.

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
    /// Load a byte, or two, from X + k.
    Byte(u32),
    Half(u32),
    /// X: four times the low half of the byte at k (an IPv4 header's length).
    HeaderLength(u32),
    /// Keep the low half of A and multiply it by four.
    Quadruple,
    /// X: A + X.
    Advance,
    /// X: a number.
    Start(u32),
    /// Go on according to whether A is k.
    Is(u32, To, To),
}

fn assemble(program: &[Op]) -> Vec<SockFilter> {
    use libc::{BPF_ADD, BPF_ALU, BPF_AND, BPF_B, BPF_H, BPF_IMM, BPF_IND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_LDX};
    use libc::{BPF_LSH, BPF_MISC, BPF_MSH, BPF_RET, BPF_TAX, BPF_X};
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
            Op::HeaderLength(k) => output.push(code(BPF_LDX | BPF_B | BPF_MSH, k)),
            Op::Start(k) => output.push(code(BPF_LDX | BPF_IMM, k)),
            Op::Quadruple => {
                output.extend([code(BPF_ALU | BPF_AND | BPF_K, 15), code(BPF_ALU | BPF_LSH | BPF_K, 2)]);
            }
            Op::Advance => output.extend([code(BPF_ALU | BPF_ADD | BPF_X, 0), code(BPF_MISC | BPF_TAX, 0)]),
            Op::Is(k, yes, no) => {
                output.push(SockFilter::new((BPF_JMP | BPF_JEQ | BPF_K) as u16, jump(yes), jump(no), k));
            }
        }
    }
    output.extend([code(BPF_RET | BPF_K, 0x0004_0000), code(BPF_RET | BPF_K, 0)]);
    output
}

/// Lets through echo replies with `identifier`, and errors that quote an echo request with it.
pub fn echo(version: Version, identifier: u16) -> Vec<SockFilter> {
    let id = u32::from(identifier);
    assemble(&match version {
        // A raw IPv4 socket gets the IP header too.
        Version::V4 => [
            Op::HeaderLength(0),
            Op::Byte(0),
            Op::Is(0, To::At(3), To::At(5)),
            Op::Half(4),
            Op::Is(id, To::Accept, To::Reject),
            Op::Is(3, To::At(10), To::Next),
            Op::Is(4, To::At(10), To::Next),
            Op::Is(5, To::At(10), To::Next),
            Op::Is(11, To::At(10), To::Next),
            Op::Is(12, To::At(10), To::Reject),
            // The quoted packet's header starts at X + 8; what follows it at X + 8 + its length.
            Op::Byte(8),
            Op::Quadruple,
            Op::Advance,
            Op::Byte(8),
            Op::Is(8, To::Next, To::Reject),
            Op::Half(12),
            Op::Is(id, To::Accept, To::Reject),
        ]
        .to_vec(),
        Version::V6 => [
            Op::Start(0),
            Op::Byte(0),
            Op::Is(129, To::At(3), To::At(5)),
            Op::Half(4),
            Op::Is(id, To::Accept, To::Reject),
            Op::Is(1, To::At(9), To::Next),
            Op::Is(2, To::At(9), To::Next),
            Op::Is(3, To::At(9), To::Next),
            Op::Is(4, To::At(9), To::Reject),
            // The quoted packet's next header; a fragment header may come first.
            Op::Byte(8 + 6),
            Op::Is(58, To::At(14), To::Next),
            Op::Is(44, To::Next, To::Reject),
            Op::Start(8),
            Op::Is(44, To::At(14), To::At(14)),
            Op::Byte(8 + 40),
            Op::Is(128, To::Next, To::Reject),
            Op::Half(8 + 40 + 4),
            Op::Is(id, To::Accept, To::Reject),
        ]
        .to_vec(),
    })
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
        assert_eq!(passes(&echo(Version::V4, 77), &packets), wanted);
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
        assert_eq!(passes(&echo(Version::V6, 77), &packets), wanted);
        assert_eq!(passes(&echo(Version::V6, 78), &packets), [false; 6]);
    }
}
