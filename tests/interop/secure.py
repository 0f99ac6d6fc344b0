"""One recognition over SIPS, TCP/TLS/MRCPv2 and SRTP, by OpenSSL (Python's ssl) and libsrtp.

python secure.py SIPS_PORT CA.pem SUITE FILE.wav GRAMMAR -> the RECOGNITION-COMPLETE on standard output; exit 0 if it is
one of success. SUITE "none" sends plain RTP. The file is G.711 mu-law.
"""

import base64
import hashlib
import os
import re
import socket
import ssl
import struct
import sys
import time

import pylibsrtp

PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    "AES_CM_128_HMAC_SHA1_32": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30),
    "AEAD_AES_128_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    "AEAD_AES_256_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
}
def sound(file):
    """The octets of a WAV file that has G.711 mu-law."""
    text = open(file, "rb").read()
    at, form = 12, None
    while at < len(text):
        kind, length = struct.unpack_from("<4sI", text, at)
        if kind == b"fmt ":
            form = struct.unpack_from("<HHI", text, at + 8)
        if kind == b"data":
            assert form == (7, 1, 8000), "mu-law, mono, 8000 samples a second"
            return text[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def read_until(stream, pattern):
    """Reads SIP or MRCP until a whole message matches."""
    text = b""
    while True:
        match = re.search(pattern, text, re.S)
        if match:
            return match, text
        chunk = stream.recv(65536)
        if not chunk:
            raise SystemExit(f"closed after {text!r}")
        text += chunk


def main():
    port, ca, suite, file, grammar = sys.argv[1:]
    context = ssl.create_default_context(cafile=ca)
    sip = context.wrap_socket(socket.create_connection(("127.0.0.1", int(port)), 10), server_hostname="127.0.0.1")
    sip.settimeout(30)
    local = "%s:%d" % sip.getsockname()
    rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    rtp.bind(("127.0.0.1", 0))
    profile, length = PROFILES.get(suite, (None, 0))
    key = os.urandom(length)
    crypto = f"a=crypto:1 {suite} inline:{base64.b64encode(key).decode()}\r\n" if profile is not None else ""
    sdp = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=application 9 TCP/TLS/MRCPv2 1\r\na=setup:active\r\na=connection:new\r\na=resource:speechrecog\r\na=cmid:1\r\n"
        f"m=audio {rtp.getsockname()[1]} RTP/{'SAVP' if crypto else 'AVP'} 0\r\na=rtpmap:0 PCMU/8000\r\n{crypto}"
        "a=sendonly\r\na=mid:1\r\n"
    )
    call_id, tag = os.urandom(8).hex(), os.urandom(4).hex()

    def request(method, number, to, body=""):
        kind = "Content-Type: application/sdp\r\n" if body else ""
        sip.sendall(
            f"{method} sips:answerd@127.0.0.1:{port} SIP/2.0\r\n"
            f"Via: SIP/2.0/TLS {local};branch=z9hG4bK{os.urandom(6).hex()};rport\r\nMax-Forwards: 70\r\n"
            f"From: <sips:test@{local}>;tag={tag}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\n"
            f"Contact: <sips:test@{local}>\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    to = f"<sips:answerd@127.0.0.1:{port}>"
    request("INVITE", 1, to, sdp)
    match, text = read_until(sip, rb"SIP/2\.0 ([2-6]\d\d) .*?\r\n\r\n(.*)a=mid:1\r\n|SIP/2\.0 ([3-6]\d\d) .*?\r\n\r\n")
    answer = text.decode()
    if not match.group(1) or match.group(1) != b"200":
        raise SystemExit(answer)
    print(answer, file=sys.stderr)
    to = re.findall(r"\r\nTo: ([^\r]*)", answer)[-1]
    assert f"Contact: <sips:127.0.0.1:{port}>" in answer, "the Contact is a sips URI"
    request("ACK", 1, to)
    control_port = int(re.search(r"m=application (\d+) TCP/TLS/MRCPv2 1\r\n", answer).group(1))
    audio_port = int(re.search(r"m=audio (\d+) RTP/", answer).group(1))
    channel = re.search(r"a=channel:(\S+)", answer).group(1)
    if crypto:
        own = re.search(rf"a=crypto:1 {suite} inline:(\S+)", answer).group(1)
        assert len(base64.b64decode(own)) == length and own not in crypto, "a key of the server's own"

    control = context.wrap_socket(
        socket.create_connection(("127.0.0.1", control_port), 10), server_hostname="127.0.0.1"
    )
    control.settimeout(60)
    shown = hashlib.sha256(control.getpeercert(True)).hexdigest().upper()
    told = re.search(r"a=fingerprint:sha-256 (\S+)", answer).group(1)
    assert told.replace(":", "") == shown, "the fingerprint in the answer is that of the certificate"

    body = f"{grammar}\r\n"
    head = (
        f"RECOGNIZE 1\r\nChannel-Identifier: {channel}\r\nContent-Type: text/uri-list\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    length = len("MRCP/2.0  ") + len(head) + len(body)
    control.sendall(f"MRCP/2.0 {length + len(str(length + 3))} {head}{body}".encode())
    read_until(control, rb"200 IN-PROGRESS")

    octets = sound(file)
    session = None
    if crypto:
        policy = pylibsrtp.Policy(key=key, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
        session = pylibsrtp.Session(policy=policy)
    # The sequence number rolls over within the first second.
    sequence, began, ssrc = 65_510, time.monotonic(), struct.unpack("!I", os.urandom(4))[0]
    control.setblocking(False)
    received = b""
    for n in range(60 * 50):
        payload = octets[n * 160 : (n + 1) * 160].ljust(160, b"\xff")
        packet = struct.pack("!BBHII", 0x80, 0, (sequence + n) & 0xFFFF, n * 160, ssrc) + payload
        protected = session.protect(packet) if session else packet
        datagrams = [protected]
        if session and n % 50 == 10:
            # A forgery before it, a replay after it, and RTCP.
            report = session.protect_rtcp(struct.pack("!BBHI", 0x80, 201, 1, ssrc))
            datagrams = [protected[:-1] + bytes([protected[-1] ^ 1]), protected, protected, report]
        for datagram in datagrams:
            rtp.sendto(datagram, ("127.0.0.1", audio_port))
        try:
            received += control.recv(65536)
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        if b"RECOGNITION-COMPLETE" in received and received.rstrip().endswith(b"</result>"):
            break
        time.sleep(max(0.0, began + (n + 1) * 0.02 - time.monotonic()))
    print(received.decode())
    request("BYE", 2, to)
    read_until(sip, rb"SIP/2\.0 200 .*?CSeq: 2 BYE")
    complete = received[received.find(b"RECOGNITION-COMPLETE") :]
    sys.exit(0 if b"000 success" in complete else 1)


main()
