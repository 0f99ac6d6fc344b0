//! Media worker threads: each owns its RTP sockets, streams and detectors.
