//! SIP user agent server: transactions and dialogs, RFC 3261 sections 8.2, 12 and 17.2, RFC 6026.
