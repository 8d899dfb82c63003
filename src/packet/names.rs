//! ICMP's types and codes by the names of their RFCs.

use std::borrow::Cow;

use super::icmp::Version;

/// Type, code (`None`: any), name.
type Row = (u8, Option<u8>, &'static str);

/// RFC 792, RFC 1122, RFC 1812.
const V4: &[Row] = &[
    (0, None, "echo reply"),
    (3, Some(0), "net unreachable"),
    (3, Some(1), "host unreachable"),
    (3, Some(2), "protocol unreachable"),
    (3, Some(3), "port unreachable"),
    (3, Some(4), "fragmentation needed and DF set"),
    (3, Some(5), "source route failed"),
    (3, Some(6), "destination network unknown"),
    (3, Some(7), "destination host unknown"),
    (3, Some(8), "source host isolated"),
    (3, Some(9), "communication with destination network administratively prohibited"),
    (3, Some(10), "communication with destination host administratively prohibited"),
    (3, Some(11), "network unreachable for type of service"),
    (3, Some(12), "host unreachable for type of service"),
    (3, Some(13), "communication administratively prohibited"),
    (3, Some(14), "host precedence violation"),
    (3, Some(15), "precedence cutoff in effect"),
    (3, None, "destination unreachable"),
    (4, None, "source quench"),
    (5, Some(0), "redirect datagrams for the network"),
    (5, Some(1), "redirect datagrams for the host"),
    (5, Some(2), "redirect datagrams for the type of service and network"),
    (5, Some(3), "redirect datagrams for the type of service and host"),
    (5, None, "redirect"),
    (8, None, "echo"),
    (9, None, "router advertisement"),
    (10, None, "router solicitation"),
    (11, Some(0), "time to live exceeded in transit"),
    (11, Some(1), "fragment reassembly time exceeded"),
    (11, None, "time exceeded"),
    (12, Some(0), "pointer indicates the error"),
    (12, Some(1), "missing a required option"),
    (12, Some(2), "bad length"),
    (12, None, "parameter problem"),
    (13, None, "timestamp"),
    (14, None, "timestamp reply"),
];

/// RFC 4443, RFC 4861.
const V6: &[Row] = &[
    (1, Some(0), "no route to destination"),
    (1, Some(1), "communication with destination administratively prohibited"),
    (1, Some(2), "beyond scope of source address"),
    (1, Some(3), "address unreachable"),
    (1, Some(4), "port unreachable"),
    (1, Some(5), "source address failed ingress/egress policy"),
    (1, Some(6), "reject route to destination"),
    (1, Some(7), "error in source routing header"),
    (1, None, "destination unreachable"),
    (2, None, "packet too big"),
    (3, Some(0), "hop limit exceeded in transit"),
    (3, Some(1), "fragment reassembly time exceeded"),
    (3, None, "time exceeded"),
    (4, Some(0), "erroneous header field encountered"),
    (4, Some(1), "unrecognized next header type encountered"),
    (4, Some(2), "unrecognized IPv6 option encountered"),
    (4, None, "parameter problem"),
    (128, None, "echo request"),
    (129, None, "echo reply"),
    (133, None, "router solicitation"),
    (134, None, "router advertisement"),
    (135, None, "neighbor solicitation"),
    (136, None, "neighbor advertisement"),
    (137, None, "redirect"),
];

/// The name of a type and code; a number where the RFCs give no name.
pub fn name(version: Version, kind: u8, code: u8) -> Cow<'static, str> {
    let rows = match version {
        Version::V4 => V4,
        Version::V6 => V6,
    };
    match rows.iter().find(|row| row.0 == kind && row.1.is_none_or(|wanted| wanted == code)) {
        Some(&(_, Some(_), name)) => name.into(),
        Some(&(_, None, name)) if code == 0 => name.into(),
        Some(&(_, None, name)) => format!("{name}, code {code}").into(),
        None => format!("type {kind} code {code}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(name(Version::V4, 3, 13), "communication administratively prohibited");
        assert_eq!(name(Version::V4, 3, 99), "destination unreachable, code 99");
        assert_eq!(name(Version::V6, 2, 0), "packet too big");
        assert_eq!(name(Version::V6, 200, 3), "type 200 code 3");
    }
}
