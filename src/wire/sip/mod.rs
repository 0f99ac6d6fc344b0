//! SIP messages, RFC 3261 sections 7, 20 and 25.
