//! Session descriptions, RFC 8866, with the MRCPv2 control section of RFC 6787 section 4.2.
