//! The shell: SIP and MRCP sockets, clocks, one driver task per call.
