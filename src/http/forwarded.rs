//! The client's address behind proxies: the nearest one that is not a trusted proxy's own.
//!
//! Each proxy writes the address that it sees behind those that it was told. So the list is true from its end up to the first hop that
//! nobody trusts; whatever stands before that one, the client may have written.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

use crate::base::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: the peer's, or what trusted proxies say of it. Loopback is always trusted.
#[must_use]
pub fn client_address(headers: &HeaderMap, peer: IpAddr, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| address.to_canonical().is_loopback() || trusted.iter().any(|network| network.contains(address));
    // Several lines are one list (RFC 9110, section 5.3).
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let mut hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).map(hop);
    let mut known = peer;
    while is_trusted(known) {
        // A hop that cannot be read stands for somebody whom nobody trusts, so that nothing before it counts.
        let Some(Some(before)) = hops.next() else { break };
        known = before;
    }
    known
}

/// Reads `ip`, `ip:port`, `[v6]` or `[v6]:port`.
fn hop(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{FORWARDED_FOR, client_address};
    use crate::base::Network;

    #[test]
    fn an_address_is_believed_as_far_as_trusted_proxies_vouch_for_it() {
        let trusted: Vec<Network> = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap()).into();
        let cases: &[(&str, &[&str], &str)] = &[
            // Nobody vouches for it.
            ("203.0.113.9", &["6.6.6.6"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            // What a client wrote before the proxies' own words does not count.
            ("10.0.0.1", &["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["6.6.6.6,203.0.113.9 , 10.0.0.2"], "203.0.113.9"),
            ("::ffff:127.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            // A proxy may add a line of its own.
            ("10.0.0.1", &["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["6.6.6.6", "203.0.113.9", "10.0.0.3, 10.0.0.2"], "203.0.113.9"),
            // Everybody is trusted: the furthest that is known.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // Ways to write an address.
            ("10.0.0.1", &["6.6.6.6, 203.0.113.9:51234"], "203.0.113.9"),
            ("10.0.0.1", &["6.6.6.6, [2a00::9]"], "2a00::9"),
            ("10.0.0.1", &["6.6.6.6, [2a00::9]:443"], "2a00::9"),
            ("10.0.0.1", &["6.6.6.6, 2a00::9"], "2a00::9"),
            ("10.0.0.1", &["6.6.6.6, [2001:db8::1]:443, 10.0.0.2:80"], "6.6.6.6"),
            ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            // What cannot be read is not passed over.
            ("10.0.0.1", &["6.6.6.6, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["6.6.6.6, "], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6", ""], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, 203.0.113.9:port"], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, [203.0.113.9"], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, \u{e9}"], "10.0.0.1"),
        ];
        for (peer, lines, client) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            headers.insert("x-real-ip", HeaderValue::from_static("7.7.7.7"));
            let found = client_address(&headers, peer.parse().unwrap(), &trusted);
            assert_eq!(found, client.parse::<std::net::IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }
}
