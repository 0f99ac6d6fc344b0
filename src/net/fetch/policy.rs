//! Where documents may be fetched from. Requests of MRCP clients name URIs, and the server stands in a network that
//! these clients may not reach themselves: what is inside is not fetched unless the operator says so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::grammar::FetchError;
use crate::net::fetch::FetchConfig;

/// What kind of place an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The Internet.
    Public,
    /// Loopback, private networks (RFC 1918, RFC 4193) and the like.
    Private,
    /// Where hosts find what is meant for them alone, as clouds' metadata services: link-local addresses and others.
    Special,
    /// No server can be there: multicast, unspecified, reserved.
    Nowhere,
}

impl Place {
    /// Which kind of place `address` is. Addresses that carry an IPv4 address are what that is.
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            // "This network": connecting to it reaches the own host.
            [0, ..] | [224..=255, ..] => Self::Nowhere,
            [10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] => Self::Private,
            // Shared by carriers and their customers (RFC 6598), benchmarks (RFC 2544), documentation (RFC 5737).
            [100, 64..=127, ..] | [198, 18 | 19, ..] => Self::Private,
            [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Self::Private,
            // Link-local (169.254.169.254 are most clouds' metadata), protocol assignments, Azure's host service.
            [169, 254, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [168, 63, 129, 16] => Self::Special,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        let embedded = |high: u16, low: u16| {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Self::of_v4(Ipv4Addr::new(a, b, c, d))
        };
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Private,
            // Mapped, translated by NAT64 (RFC 6052), 6to4.
            [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
            [0x2002, high, low, ..] => embedded(high, low),
            [0x64, 0xff9b, 1, ..] | [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Self::Private,
            [0xfe80..=0xfebf, ..] => Self::Special,
            // Teredo and other protocol assignments, documentation.
            [0x2001, 0..=0x01ff, ..] => Self::Special,
            [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Self::Private,
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Nowhere,
        }
    }
}

/// One of `allowed_hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostPattern {
    host: HostName,
    /// Only at this port.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostName {
    Is(String),
    /// `*.DOMAIN`: any name below, not the domain itself.
    Below(String),
    Address(IpAddr),
}

impl HostPattern {
    /// Reads `HOST`, `*.DOMAIN` or an address, with `:PORT` or without.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not HOST, *.DOMAIN or an address, with :PORT or without");
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self { host: HostName::Address(address.to_canonical()), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().map_err(|_| wrong())?)),
            _ => (text, None),
        };
        let (host, below) = match host.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (host, false),
        };
        let host = match Host::parse(host).map_err(|_| wrong())? {
            Host::Domain(name) if name.contains('*') => return Err(wrong()),
            Host::Domain(name) if below => HostName::Below(format!(".{}", without_dot(&name))),
            Host::Domain(name) => HostName::Is(without_dot(&name).to_owned()),
            Host::Ipv4(_) | Host::Ipv6(_) if below => return Err(wrong()),
            Host::Ipv4(address) => HostName::Address(address.into()),
            Host::Ipv6(address) => HostName::Address(IpAddr::V6(address).to_canonical()),
        };
        Ok(Self { host, port })
    }

    fn matches(&self, host: &Host<&str>, port: Option<u16>) -> bool {
        let named = match (&self.host, host) {
            (HostName::Is(name), Host::Domain(host)) => without_dot(host) == name,
            (HostName::Below(domain), Host::Domain(host)) => without_dot(host).ends_with(domain.as_str()),
            (HostName::Address(address), Host::Ipv4(host)) => *address == IpAddr::V4(*host),
            (HostName::Address(address), Host::Ipv6(host)) => *address == IpAddr::V6(*host).to_canonical(),
            (HostName::Is(_) | HostName::Below(_), _) | (HostName::Address(_), Host::Domain(_)) => false,
        };
        named && (self.port.is_none() || self.port == port)
    }
}

/// The root's dot at the end of a name says nothing.
fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// How far a URI's host is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Trust {
    /// The operator named it: it may be anywhere.
    Named,
    /// Anybody's.
    Open,
}

/// Which addresses each kind of host may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    allow_private: bool,
}

impl Addresses {
    /// Whether a host so trusted may be connected to at `address`.
    pub(super) fn permit(self, trust: Trust, address: IpAddr) -> bool {
        match Place::of(address) {
            Place::Public => true,
            Place::Private => trust == Trust::Named || self.allow_private,
            Place::Special => trust == Trust::Named,
            Place::Nowhere => false,
        }
    }
}

/// What may be fetched.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    schemes: Vec<String>,
    named: Vec<HostPattern>,
    only_named: bool,
    pub(super) addresses: Addresses,
}

impl Policy {
    /// The policy of valid settings.
    pub(super) fn new(config: &FetchConfig) -> Self {
        Self {
            schemes: config.schemes.clone(),
            named: config.allowed_hosts.iter().filter_map(|host| HostPattern::parse(host).ok()).collect(),
            only_named: config.only_allowed_hosts,
            addresses: Addresses { allow_private: config.allow_private },
        }
    }

    pub(super) fn check_scheme(&self, url: &Url) -> Result<(), FetchError> {
        if self.schemes.iter().any(|scheme| scheme == url.scheme()) {
            return Ok(());
        }
        Err(refused(format!("{}: is not fetched (fetch.schemes)", url.scheme())))
    }

    /// How far the host of an `http` or `https` URI is trusted. An address in the URI is checked here: it is not
    /// looked up. A name's addresses are checked when it has been looked up.
    pub(super) fn check(&self, url: &Url) -> Result<Trust, FetchError> {
        self.check_scheme(url)?;
        let Some(host) = url.host() else { return Err(refused("a URI without a host".to_owned())) };
        let port = url.port_or_known_default();
        let named = self.named.iter().any(|pattern| pattern.matches(&host, port));
        let trust = if named { Trust::Named } else { Trust::Open };
        if self.only_named && !named {
            return Err(refused(format!("{host} is not one of fetch.allowed_hosts")));
        }
        let address = match host {
            Host::Domain(_) => return Ok(trust),
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
        };
        if self.addresses.permit(trust, address) {
            return Ok(trust);
        }
        Err(refused(not_permitted(&host.to_string())))
    }
}

/// The sentence about a host at a refused address. The address itself is not told: clients could map the network.
pub(super) fn not_permitted(host: &str) -> String {
    format!("{host} is at no public address (fetch.allow_private, fetch.allowed_hosts)")
}

pub(super) fn refused(reason: String) -> FetchError {
    FetchError { cause: "not-allowed".to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_sorted() {
        let page = "
            Public  1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1
            Public  168.63.129.15 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255
            Public  192.169.0.0 198.17.255.255 198.20.0.0 203.0.114.0 223.255.255.255
            Public  2606:4700::1111 2a00:1450::1 2001:4860:4860::8888 2001:200::1 ::ffff:8.8.8.8 64:ff9b::808:808
            Public  2002:808:808::1
            Private 10.0.0.1 10.255.255.255 127.0.0.1 127.255.255.255 172.16.0.0 172.31.255.255 192.168.0.1
            Private 100.64.0.0 100.100.100.200 100.127.255.255 198.18.0.1 198.19.255.255 192.0.2.1 198.51.100.1 203.0.113.1
            Private ::1 fc00::1 fd00:ec2::254 fdff::1 fec0::1 2001:db8::1 3fff::1 64:ff9b:1::1
            Private ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:192.168.1.1 64:ff9b::7f00:1 64:ff9b::a00:1
            Private 2002:7f00:1:: 2002:c0a8:101::1
            Special 169.254.169.254 169.254.0.0 192.0.0.192 168.63.129.16 192.88.99.1 fe80::1 febf::1
            Special ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 2001::1 2001:0:7f00:1::1
            Nowhere 0.0.0.0 0.1.2.3 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
            Nowhere :: ::ffff:0.0.0.0 ::127.0.0.1 ::8.8.8.8 ff02::1 ff0e::1 100::1 1fff::1 4000::1 5f00::1 64:ff9b::
        ";
        let mut checked = 0;
        for line in page.lines().filter(|line| !line.trim().is_empty()) {
            let mut words = line.split_whitespace();
            let place = words.next().unwrap();
            for address in words {
                assert_eq!(format!("{:?}", Place::of(address.parse().unwrap())), place, "{address}");
                checked += 1;
            }
        }
        assert!(checked > 80, "{checked}");
    }

    fn policy(change: impl FnOnce(&mut FetchConfig)) -> Policy {
        let mut config = FetchConfig::default();
        change(&mut config);
        config.validate().unwrap();
        Policy::new(&config)
    }

    fn check(policy: &Policy, uri: &str) -> &'static str {
        match policy.check(&Url::parse(uri).unwrap()) {
            Ok(Trust::Named) => "named",
            Ok(Trust::Open) => "open",
            Err(error) => {
                assert_eq!(error.cause, "not-allowed");
                "no"
            }
        }
    }

    #[test]
    fn literal_addresses_are_checked_however_they_are_written() {
        let closed = policy(|_| {});
        let inside = [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "https://10.1.2.3:8443/x",
            "http://user@192.168.0.1/",
            "http://0/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[fe80::1]/",
            "http://\u{ff11}27.0.0.1/",
        ];
        for uri in inside {
            assert_eq!(check(&closed, uri), "no", "{uri}");
        }
        assert_eq!(check(&closed, "http://8.8.8.8/"), "open");
        // Names are checked when they have been looked up.
        assert_eq!(check(&closed, "http://localhost/"), "open");
        let open = policy(|it| it.allow_private = true);
        assert_eq!(check(&open, "http://127.0.0.1/"), "open");
        assert_eq!(check(&open, "http://169.254.169.254/"), "no");
        assert_eq!(check(&open, "http://0.0.0.0/"), "no");
        assert_eq!(check(&open, "file:///etc/passwd"), "no");
    }

    #[test]
    fn named_hosts_may_be_anywhere() {
        let hosts = ["Grammars.example.com", "*.lan", "10.0.0.7", "127.0.0.1:8080", "[fd00::1]:81", "169.254.1.1"];
        let policy_of = |only| {
            policy(|it| {
                it.allowed_hosts = hosts.map(str::to_owned).to_vec();
                it.only_allowed_hosts = only;
            })
        };
        let named = [
            "http://grammars.example.com/a",
            "https://GRAMMARS.example.com.:8443/a",
            "http://a.lan/",
            "http://a.b.lan/",
            "http://10.0.0.7:1234/",
            "http://127.0.0.1:8080/",
            "http://[::ffff:127.0.0.1]:8080/",
            "http://[fd00::1]:81/",
            "http://169.254.1.1/",
        ];
        for uri in named {
            assert_eq!(check(&policy_of(false), uri), "named", "{uri}");
            assert_eq!(check(&policy_of(true), uri), "named", "{uri}");
        }
        for uri in ["http://example.com/", "http://lan/", "http://xlan/", "http://grammars.example.com.evil.net/"] {
            assert_eq!(check(&policy_of(false), uri), "open", "{uri}");
            assert_eq!(check(&policy_of(true), uri), "no", "{uri}");
        }
        for uri in ["http://127.0.0.1/", "http://127.0.0.1:8081/", "http://[fd00::1]/", "http://10.0.0.8/"] {
            assert_eq!(check(&policy_of(false), uri), "no", "{uri}");
        }
    }

    #[test]
    fn host_patterns_are_checked() {
        for wrong in ["", "*", "*.", "a b", "http://a", "a/b", "a:b", "a:70000", "*.10.0.0.1", "a.*.b", "*a.b", "a:"] {
            assert!(HostPattern::parse(wrong).is_err(), "{wrong:?}");
        }
        for right in ["a", "a.b:80", "*.a:443", "::1", "[::1]", "[::1]:80", "10.0.0.1", "b\u{fc}cher.example"] {
            assert!(HostPattern::parse(right).is_ok(), "{right:?}");
        }
    }
}
