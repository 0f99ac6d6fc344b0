//! The session's cookie store, RFC 6787 section 6.2.15 and RFC 6265 section 5.3: what the client and the servers that
//! documents were fetched from have set. It lives as long as the session.
//!
//! Which cookies go to which server is decided where documents are fetched.

/// Most cookies of a session; the oldest goes first.
const MAX_COOKIES: usize = 100;

/// Longest cookie in octets; a longer one is not kept (RFC 6265 section 6.1 asks for at least so much).
const MAX_OCTETS: usize = 4096;

/// Cookies as values of Set-Cookie.
#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<String>);

/// What makes two cookies the same: name, Domain and Path.
fn identity(cookie: &str) -> Option<(&str, String, &str)> {
    let mut parts = cookie.split(';');
    let (name, _) = parts.next()?.split_once('=')?;
    let (mut domain, mut path) = (String::new(), "");
    for part in parts {
        match part.split_once('=') {
            Some((key, value)) if key.trim().eq_ignore_ascii_case("domain") => {
                domain = value.trim().trim_start_matches('.').to_ascii_lowercase();
            }
            Some((key, value)) if key.trim().eq_ignore_ascii_case("path") => path = value.trim(),
            _ => {}
        }
    }
    let name = name.trim();
    (!name.is_empty()).then_some((name, domain, path))
}

/// The cookies of a header's value: several may be joined by commas, which a date in Expires has too.
fn split(value: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for piece in value.split(',') {
        // A cookie begins with a name and "="; what follows the comma in a date does not.
        let begins = piece.split(';').next().is_some_and(|pair| {
            pair.split_once('=').is_some_and(|(name, _)| {
                let name = name.trim();
                !name.is_empty() && !name.contains([' ', '\t', ':', '"'])
            })
        });
        match found.last_mut() {
            Some(last) if !begins => {
                last.push(',');
                last.push_str(piece);
            }
            _ => found.push(piece.trim().to_owned()),
        }
    }
    found
}

impl Cookies {
    /// Takes what a Set-Cookie header says. Returns whether all of it could be read.
    pub(super) fn set(&mut self, value: &str) -> bool {
        split(value).into_iter().all(|cookie| {
            let Some(id) = identity(&cookie) else { return false };
            self.0.retain(|known| identity(known) != Some(id.clone()));
            if cookie.len() <= MAX_OCTETS {
                if self.0.len() >= MAX_COOKIES {
                    self.0.remove(0);
                }
                self.0.push(cookie);
            }
            true
        })
    }

    /// Whether a header's value is one that [`Cookies::set`] can read.
    pub(super) fn is_legal(value: &str) -> bool {
        split(value).iter().all(|cookie| identity(cookie).is_some())
    }

    /// All cookies, the oldest first.
    pub(super) fn all(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_replaced_by_name_domain_and_path() {
        let mut cookies = Cookies::default();
        assert!(cookies.set("a=1; Domain=example.com; Path=/"));
        assert!(cookies.set("b=2"));
        assert!(cookies.set("a=3; path=/; domain=.Example.com"));
        assert!(cookies.set("a=4; Path=/x; Domain=example.com"));
        assert_eq!(cookies.all(), ["b=2", "a=3; path=/; domain=.Example.com", "a=4; Path=/x; Domain=example.com"]);
        assert!(!cookies.set("nonsense"));
        assert_eq!(cookies.all().len(), 3);
    }

    #[test]
    fn joined_cookies_and_dates() {
        assert_eq!(
            split("a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT; Path=/, b=\"x\"; Secure,c="),
            ["a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT; Path=/", "b=\"x\"; Secure", "c="]
        );
        assert!(Cookies::is_legal("a=b"));
        assert!(!Cookies::is_legal(""));
        assert!(!Cookies::is_legal("=b"));
    }

    #[test]
    fn the_store_is_bounded() {
        let mut cookies = Cookies::default();
        for number in 0..300 {
            assert!(cookies.set(&format!("c{number}=1")));
        }
        assert!(cookies.set(&format!("long={}", "x".repeat(5000))));
        assert_eq!(cookies.all().len(), MAX_COOKIES);
        assert_eq!(cookies.all()[0], "c200=1");
    }
}
