//! Session timers, RFC 4028.

use std::time::Duration;

use crate::session::sip::config::Config;
use crate::wire::sip::{HeaderName, Headers, Refresher, SessionExpires};
use crate::wire::text::SyntaxError;

/// What was agreed on for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionTimer {
    /// The session interval.
    pub(super) interval_s: u32,
    /// Whether it is us who refresh.
    pub(super) ours: bool,
}

/// Why there is no agreement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// 400
    Malformed(SyntaxError),
    /// 422
    TooSmall,
}

impl SessionTimer {
    /// What to answer to a request for a session or its refresh, RFC 4028 section 9; `None` is a session without timer.
    pub(super) fn negotiate(request: &Headers, config: &Config) -> Result<Option<Self>, Refused> {
        let asked = request.session_expires().map_err(Refused::Malformed)?;
        let min_se = request.min_se().map_err(Refused::Malformed)?.unwrap_or(0);
        if ![HeaderName::SUPPORTED, HeaderName::REQUIRE].iter().any(|name| request.has_token(name, "timer")) {
            // Asked by a proxy, on behalf of a client that can neither refresh nor be told 422.
            return Ok(None);
        }
        match asked {
            Some(asked) if asked.interval_s < config.min_session_expires_s => Err(Refused::TooSmall),
            Some(asked) => {
                let ours = asked.refresher == Some(Refresher::Uas);
                // Our refreshes are UPDATEs. With a client that has none there is no timer rather than one that kills
                // the call; a 2xx without Session-Expires says so, section 7.2.
                let able = !ours || request.has_token(&HeaderName::ALLOW, "UPDATE");
                Ok(able.then_some(Self { interval_s: asked.interval_s, ours }))
            }
            None if config.session_expires_s == 0 => Ok(None),
            None => Ok(Some(Self { interval_s: config.session_expires_s.max(min_se), ours: false })),
        }
    }

    /// Session-Expires in a 2xx of ours.
    pub(super) const fn in_response(self) -> SessionExpires {
        let refresher = if self.ours { Refresher::Uas } else { Refresher::Uac };
        SessionExpires { interval_s: self.interval_s, refresher: Some(refresher) }
    }

    /// When a refresh of ours is due, section 7.4.
    pub(super) fn refresh_after(self) -> Duration {
        Duration::from_secs(u64::from(self.interval_s / 2))
    }

    /// When the session is given up for lack of a refresh: shortly before its interval ends, section 10.
    pub(super) fn expires_after(self) -> Duration {
        Duration::from_secs(u64::from(self.interval_s - (self.interval_s / 3).min(32)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiate(fields: &[(&str, &str)], config: &Config) -> Result<Option<SessionTimer>, Refused> {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.push((*name).into(), value);
        }
        SessionTimer::negotiate(&headers, config)
    }

    #[test]
    fn table_2_of_rfc_4028() {
        let config = Config { session_expires_s: 0, ..Config::default() };
        let timer = |interval_s, ours| Ok(Some(SessionTimer { interval_s, ours }));
        let supported = ("Supported", "100rel, timer");
        assert_eq!(negotiate(&[("x", "600")], &config), Ok(None));
        assert_eq!(negotiate(&[supported], &config), Ok(None));
        assert_eq!(negotiate(&[supported, ("x", "600")], &config), timer(600, false));
        assert_eq!(negotiate(&[supported, ("x", "600;refresher=uac")], &config), timer(600, false));
        let asked = ("x", "600;refresher=uas");
        assert_eq!(negotiate(&[supported, asked], &config), Ok(None));
        assert_eq!(negotiate(&[supported, asked, ("Allow", "BYE,UPDATE")], &config), timer(600, true));
        assert_eq!(negotiate(&[supported, ("x", "89")], &config), Err(Refused::TooSmall));
        assert!(matches!(negotiate(&[supported, ("x", "soon")], &config), Err(Refused::Malformed(_))));
        let config = Config::default();
        assert_eq!(negotiate(&[supported], &config), timer(1800, false));
        assert_eq!(negotiate(&[supported, ("Min-SE", "3600")], &config), timer(3600, false));
    }

    #[test]
    fn a_session_is_given_up_before_its_end() {
        let timer = |interval_s| SessionTimer { interval_s, ours: false }.expires_after().as_secs();
        assert_eq!((timer(90), timer(1800)), (60, 1768));
    }
}
