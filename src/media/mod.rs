//! Datagrams to frames: source validation, jitter buffer, telephone-events.
