//! The MRCP recognizer resource, RFC 6787 section 9.
