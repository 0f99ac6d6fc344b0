//! The other side: a small MRCPv2 client that places a call, streams a recording and reads the result.
