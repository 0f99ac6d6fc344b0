//! MRCPv2 messages, RFC 6787 sections 5, 6 and 9.
