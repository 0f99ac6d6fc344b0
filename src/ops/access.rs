//! Who may read of calls and change what is kept of them: who knows the token, or where there is none, who is on this host.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The token of `http.token`, if there is one. Doors and pages that take a token take this one.
#[derive(Clone)]
pub struct Access {
    /// Its digest: what is compared has one length, whatever is sent.
    token: Option<[u8; 32]>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("token", &self.token.is_some()).finish()
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// No token came.
    NoToken,
    /// Another token came.
    WrongToken,
    /// There is no token, so that only this host is served.
    NotLocal,
}

impl Denied {
    /// The status of HTTP that says so.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NoToken | Self::WrongToken => 401,
            Self::NotLocal => 403,
        }
    }

    /// The same in words.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoToken => "a token is needed: Authorization: Bearer TOKEN",
            Self::WrongToken => "the token is wrong",
            Self::NotLocal => "only this host is served as long as http.token is not set",
        }
    }
}

impl Access {
    /// With the token of the settings; empty: there is none.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self { token: (!token.is_empty()).then(|| Sha256::digest(token).into()) }
    }

    /// Whether somebody is let in who comes from `peer` with an Authorization header.
    ///
    /// # Errors
    /// Why not.
    pub fn admits(&self, authorization: Option<&str>, peer: IpAddr) -> Result<(), Denied> {
        // RFC 6750 section 2.1; the scheme's case doesn't matter (RFC 9110 section 11.1).
        let bearer = authorization.and_then(|value| value.trim().split_once(' '));
        let token = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        self.admits_token(token, peer)
    }

    /// The like for a token that came otherwise, as in a query.
    ///
    /// # Errors
    /// Why not.
    pub fn admits_token(&self, token: Option<&str>, peer: IpAddr) -> Result<(), Denied> {
        match (&self.token, token) {
            (None, _) if peer.to_canonical().is_loopback() => Ok(()),
            (None, _) => Err(Denied::NotLocal),
            (Some(_), None) => Err(Denied::NoToken),
            (Some(own), Some(token)) => {
                let sent: [u8; 32] = Sha256::digest(token).into();
                if bool::from(own.ct_eq(&sent)) { Ok(()) } else { Err(Denied::WrongToken) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_from_everywhere_and_without_one_this_host_does() {
        let (here, there) = ("127.0.0.1".parse().unwrap(), "192.0.2.1".parse().unwrap());
        let open = Access::new("");
        assert_eq!(open.admits(None, here), Ok(()));
        assert_eq!(open.admits(None, "::ffff:127.0.0.1".parse().unwrap()), Ok(()));
        assert_eq!(open.admits(Some("Bearer x"), there), Err(Denied::NotLocal));

        let access = Access::new("secret");
        for peer in [here, there] {
            assert_eq!(access.admits(Some("Bearer secret"), peer), Ok(()));
            assert_eq!(access.admits(Some("bearer  secret "), peer), Ok(()));
            assert_eq!(access.admits_token(Some("secret"), peer), Ok(()));
            assert_eq!(access.admits(None, peer), Err(Denied::NoToken));
            assert_eq!(access.admits(Some("Basic secret"), peer), Err(Denied::NoToken));
            for wrong in ["secre", "secrets", "Secret", ""] {
                assert_eq!(access.admits_token(Some(wrong), peer), Err(Denied::WrongToken), "{wrong}");
            }
        }
        assert!(!format!("{access:?}").contains("secret"));
    }
}
