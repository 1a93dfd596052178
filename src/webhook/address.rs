//! Where a message may go: no address of this machine or its networks, whatever name it was given.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::Uri;

/// A URL that messages are posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(super) uri: Uri,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encrypted: bool,
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// A sentence that says what a URL must be.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "This is no URL: it must look like https://hooks.example.com/breaches.";
        if url.contains(['#', '\\']) || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(WRONG);
        }
        let uri: Uri = url.parse().map_err(|_| WRONG)?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(WRONG),
        };
        let authority = uri.authority().ok_or(WRONG)?;
        if authority.as_str().contains('@') {
            return Err("A URL must not hold a name and password: check the signature of messages instead.");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(WRONG);
        }
        let port = match authority.port() {
            Some(port) => port.as_str().parse().map_err(|_| WRONG)?,
            // A port too large to be one is told as none.
            None if authority.as_str() != authority.host() => return Err(WRONG),
            None if encrypted => 443,
            None => 80,
        };
        Ok(Self { host, port, encrypted, uri })
    }
}

/// Whether an address is one of the internet, and not of this machine, of its networks, or of none at all.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        // This network; shared with a provider; protocol assignments; benchmarking; 6to4 relays; reserved.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 192 && b == 88 && c == 99)
        || a >= 240;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(address) = address.to_ipv4_mapped() {
        return is_public_v4(address);
    }
    let parts = address.segments();
    if parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        // Translated into IPv4 on the way.
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // What is given out so far, without Teredo and other protocols' own, documentation, and 6to4.
    let global = parts[0] & 0xe000 == 0x2000;
    global
        && !(parts[0] == 0x2001 && parts[1] < 0x200)
        && !(parts[0] == 0x2001 && parts[1] == 0xdb8)
        && parts[0] != 0x2002
        && parts[0] != 0x3fff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_and_its_networks_are_not_public() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.9.9.9",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_url_is_read_to_the_letter_or_refused() {
        let read = |url: &str| Target::parse(url).map(|target| (target.host, target.port, target.encrypted));
        assert_eq!(read("https://a.example/b?c=d"), Ok(("a.example".into(), 443, true)));
        assert_eq!(read("https://a.example:8443"), Ok(("a.example".into(), 8443, true)));
        assert_eq!(read("http://[2001:db8::1]/"), Ok(("2001:db8::1".into(), 80, false)));
        for url in [
            "",
            "a.example",
            "//a.example",
            "ftp://a.example/",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https://a.example:99999/",
            "https://u:p@a.example/",
            "https://a.example/ x",
            "https://a.example\\@b/",
            "https://a.example/#x",
            "javascript:alert(1)",
        ] {
            assert!(read(url).is_err(), "{url}");
        }
    }
}
